import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { startMover } from '@moorage/mover/testing'
import { startTestSan } from '@moorage/san/testing'
import { linuxSan } from '@moorage/storage-linux-san'
import { wireClient } from '@moorage/wire'
import type { Parts } from '../../controller/sagas/testing/world.ts'
import { labCall } from '../../lab/guest.ts'
import { startHoldingProxy } from './holding-proxy.ts'

const SEND_MS = 30_000

/**
 * A real SAN, a real QEMU host, machines without guests, and a real mover with a directory as archive, behind a proxy that
 * knows the simulator's faults. One array and one host, under two names each. Needs root.
 */
export async function realParts(): Promise<Parts> {
  const [san, hostd, mover] = await Promise.all([startTestSan(), startHostd(), startMover()])
  const archive = await mkdtemp(join(tmpdir(), 'archive-'))
  const proxy = await startHoldingProxy([
    { side: 'array', url: san.url },
    { side: 'host', url: hostd.url },
    { side: 'mover', url: mover.url },
  ])
  const [array = '', host = '', carrier = ''] = proxy.addresses
  const remotes = {
    array: wireClient({ url: san.url, user: san.user, password: san.password }),
    host: wireClient({ url: hostd.url, user: hostd.user, password: hostd.password }),
  }
  return {
    storage: linuxSan,
    hypervisor: qemuHypervisor,
    arrays: { fast: 'pool1', slow: 'pool1' },
    hosts: { one: 'host', two: 'host' },
    archive: { plugin: 'directory', url: pathToFileURL(archive).href },
    backEnds: {
      faults: proxy.faults,
      calls: proxy.calls,
      send: async (method, args) => {
        const [, side, path] = /^(array|host)\/(.*)$/.exec(method) ?? []
        if (side === undefined || path === undefined) throw new Error(`${method} is no method of the array or the host`)
        return remotes[side === 'host' ? 'host' : 'array'](path, args, labCall(SEND_MS))
      },
      storageEndpoint: (name, owner = '') => ({ ...san.endpoint, url: `linux-san://${array}/${name}`, owner }),
      hostEndpoint: (_name, owner = '') => ({ ...hostd.endpoint, url: `qemu://${host}`, owner }),
      moverEndpoint: (owner = '') => {
        const { user, password } = mover
        return { url: `http://${carrier}`, settings: { user, password }, owner }
      },
      moverHoldings: async () => {
        const writers = await readdir(join(archive, 'writers')).catch(() => [])
        return { jobs: await mover.jobs(), writers }
      },
      stop: async () => {
        await proxy.stop()
        await mover.stop()
        await rm(archive, { recursive: true })
        await hostd.stop()
        await san.stop()
      },
    },
  }
}
