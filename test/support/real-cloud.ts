import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import type { Connection } from '@moorage/contract'
import { guestImages, GUEST_IMAGE, startHostd, type TestHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { BENCH_INITIATOR, startTestSan, type TestSan } from '@moorage/san/testing'
import { fileStorage } from '@moorage/storage-file'
import { linuxSan } from '@moorage/storage-linux-san'
import { wireClient } from '@moorage/wire'
import { startController, type TestController } from '../../controller/testing.ts'
import { type Asked, textOf } from '../../controller/testing-client.ts'
import { guestOf, type Guest, labCall } from '../../lab/guest.ts'
import { SILENT } from '../../lab/terminal.ts'
import { type Cloud, prepareGround } from '../../lab/tour/ground.ts'

const POOL = 'pool1'
const SEND_MS = 30_000

/** A controller in this process over a real SAN and a real QEMU host, with a zone, a pool and a running VM. Needs root. */
export interface RealCloud extends Cloud {
  readonly controller: TestController
  /** The guest of the VM, where it has one. */
  readonly guest: Guest
  /** Sells a disk offering and attaches a volume of it, 1 GiB, to the VM; answers its id. */
  disk(offering: Asked): Promise<string>
  /** What the guest of a VM has written on its serial console so far. */
  consoleOf(vm: string): Promise<string>
  /** A call of the SAN's own API, or the host daemon's, as an administrator of theirs makes it: Moorage does not hear of it. */
  behindUs<Result>(at: 'san' | 'host', method: string, args: object): Promise<Result>
  /** Access to the volume for QEMU's own tools, beside the VM's. */
  access(volume: string): Promise<Connection>
  /** Takes that access back, detaches the volume and deletes it. */
  drop(volume: string): Promise<void>
  stop(): Promise<void>
}

/** Starts it; `iops` is what the SAN can do and the pool promises. Without `guest` the VM has none, and starts in no time. */
export async function realCloud(options: { readonly iops: number; readonly guest?: boolean }): Promise<RealCloud> {
  const images = options.guest === true ? await guestImages() : undefined
  const [san, hostd] = await Promise.all([
    startTestSan({ iops: options.iops }),
    startHostd(images === undefined ? {} : { images }),
  ])
  const controller = await startController({
    plugins: { storage: [linuxSan, fileStorage], hypervisors: [qemuHypervisor], archives: [directoryArchive] },
  })
  const image = images === undefined ? undefined : GUEST_IMAGE
  const cloud = await prepareGround(controller.api, groundOf({ san, hostd, image, iops: options.iops }), SILENT)
  const owner = controller.system.installation
  return {
    ...cloud,
    controller,
    consoleOf: (vm) => readFile(join(hostd.data, 'vms', vm, 'console.log'), 'latin1').catch(() => ''),
    guest: guestOf(hostd, { vm: cloud.vm, owner }),
    ...acting({ controller, cloud, san, hostd }),
    async stop() {
      await controller.stop()
      await hostd.stop()
      await san.stop()
    },
  }
}

function groundOf(at: {
  readonly san: TestSan
  readonly hostd: TestHostd
  readonly image: string | undefined
  readonly iops: number
}) {
  const { san, hostd, image, iops } = at
  return {
    pool: { provider: 'linux-san', url: san.endpoint.url, user: san.user, password: san.password },
    host: { url: hostd.endpoint.url, user: hostd.user, password: hostd.password, hypervisor: 'KVM' },
    image,
    capacityIops: iops,
  }
}

function acting(of: {
  readonly controller: TestController
  readonly cloud: Cloud
  readonly san: TestSan
  readonly hostd: TestHostd
}): Pick<RealCloud, 'disk' | 'behindUs' | 'access' | 'drop'> {
  const { controller, cloud, san, hostd } = of
  const { api, store, system } = controller
  const remotes = {
    san: wireClient({ url: san.url, user: san.user, password: san.password }),
    host: wireClient({ url: hostd.url, user: hostd.user, password: hostd.password }),
  }
  const behindUs: RealCloud['behindUs'] = async (at, method, args) => {
    const { fence } = await store.reader
      .selectFrom('operation')
      .select(({ fn }) => fn.max('fence').as('fence'))
      .executeTakeFirstOrThrow()
    const context = { owner: system.installation, ...(at === 'san' ? { pool: POOL } : {}) }
    return remotes[at](method, { ...context, ...args }, labCall(SEND_MS, fence))
  }
  const consumer = { kind: 'mover', id: randomUUID(), initiator: BENCH_INITIATOR }
  const sourceOf = (id: string) => ({ kind: 'volume', id })
  return {
    behindUs,
    async disk(offering) {
      const name = `offering-${randomUUID()}`
      const sold = await api.run('createDiskOffering', { name, displaytext: name, customized: true, ...offering })
      const place = { zoneid: cloud.zone, virtualmachineid: cloud.vm, size: 1 }
      return textOf(await api.run('createVolume', { ...place, name, diskofferingid: textOf(sold, 'id') }), 'id')
    },
    access: (volume) => {
      const exposure = { source: sourceOf(volume), consumer, mode: 'rw', account: 'bench' }
      return behindUs<Connection>('san', 'access/expose', { exposure })
    },
    async drop(id) {
      await behindUs('san', 'access/withdraw', { access: { source: sourceOf(id), consumer } })
      await api.run('detachVolume', { id })
      await api.run('deleteVolume', { id })
    },
  }
}
