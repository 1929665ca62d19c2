import { startHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { startTestSan } from '@moorage/san/testing'
import { linuxSan } from '@moorage/storage-linux-san'
import { wireClient } from '@moorage/wire'
import type { Parts } from '../../controller/sagas/testing/world.ts'
import { labCall } from '../../lab/guest.ts'
import { startHoldingProxy } from './holding-proxy.ts'

const SEND_MS = 30_000

/**
 * A real SAN and a real QEMU host, machines without guests, behind a proxy that knows the simulator's faults. One array and
 * one host, under two names each. Needs root.
 */
export async function realParts(): Promise<Parts> {
  const [san, hostd] = await Promise.all([startTestSan(), startHostd()])
  const proxy = await startHoldingProxy([
    { side: 'array', url: san.url },
    { side: 'host', url: hostd.url },
  ])
  const [array = '', host = ''] = proxy.addresses
  const remotes = {
    array: wireClient({ url: san.url, user: san.user, password: san.password }),
    host: wireClient({ url: hostd.url, user: hostd.user, password: hostd.password }),
  }
  return {
    storage: linuxSan,
    hypervisor: qemuHypervisor,
    arrays: { fast: 'pool1', slow: 'pool1' },
    hosts: { one: 'host', two: 'host' },
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
      stop: async () => {
        await proxy.stop()
        await hostd.stop()
        await san.stop()
      },
    },
  }
}
