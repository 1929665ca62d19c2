import { randomUUID } from 'node:crypto'
import type { Call, Connection } from '@moorage/contract'
import { wireClient } from '@moorage/wire'
import { text, type Api } from '../../lab/api.ts'
import { hostdAccess, sanAccess } from '../../lab/parts.ts'
import { realLab, type RealLab } from '../support/real-lab.ts'
import { type Bench, type BenchRow, median, timed } from './report.ts'

const ROUNDS = 25
const GIB = 2 ** 30

/** One volume's life through Moorage, against the same calls of SAN and host by a script, turn about in one run. */
export const sanLife: Bench = {
  name: 'san-life',
  about: 'create + attach + detach + delete of one managed volume on the real SAN and a real QEMU',
  async run() {
    const lab = await realLab('guestless')
    try {
      return await measure(lab)
    } finally {
      await lab.stop()
    }
  },
}

async function measure(lab: RealLab): Promise<readonly BenchRow[]> {
  const { api, cloud } = lab
  const offering = text(
    await api.run('createDiskOffering', {
      name: 'bench',
      displaytext: 'bench',
      disksize: 1,
      miniops: 100,
      maxiops: 1000,
    }),
    'id',
  )
  const script = rawLife(lab)
  const raw: number[] = []
  const ours: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    raw.push(await timed(script))
    ours.push(await timed(() => life(api, { zone: cloud.zone, vm: cloud.vm, offering })))
  }
  const warm = { raw: median(raw.slice(3)), ours: median(ours.slice(3)) }
  return [
    { bench: 'san-life', case: 'raw calls by a script', value: warm.raw, unit: 'ms' },
    {
      bench: 'san-life',
      case: 'Moorage, journal on',
      value: warm.ours,
      unit: 'ms',
      ratio: warm.ours / warm.raw,
      goal: '<= x1.30',
      note: `median of ${ROUNDS - 3} rounds`,
    },
  ]
}

async function life(
  api: Api,
  ground: { readonly zone: string; readonly vm: string; readonly offering: string },
): Promise<void> {
  const volume = await api.run('createVolume', { name: 'bench', zoneid: ground.zone, diskofferingid: ground.offering })
  const id = text(volume, 'id')
  await api.run('attachVolume', { id, virtualmachineid: ground.vm })
  await api.run('detachVolume', { id })
  await api.run('destroyVolume', { id, expunge: true })
}

/** The same by hand: what an administrator's script would send to the SAN and to the host. */
function rawLife(lab: RealLab): () => Promise<void> {
  const san = wireClient(sanAccess(lab.at))
  const hostd = wireClient(hostdAccess(lab.at))
  const context = { pool: 'pool1', owner: randomUUID() }
  const initiator = 'iqn.2026-01.cloud.moorage:lab-host'
  const consumer = { kind: 'host', id: randomUUID(), initiator }
  return async () => {
    const id = randomUUID()
    const source = { kind: 'volume', id }
    const spec = { id, bytes: GIB, qos: { totalIops: { min: 100, max: 1000 } }, settings: {} }
    await san('volumes/create', { ...context, spec }, rawCall())
    const exposure = { source, consumer, mode: 'rw', account: 'script' }
    const connection = await san<Connection>('access/expose', { ...context, exposure }, rawCall())
    const serial = id.replaceAll('-', '').slice(0, 20)
    const disk = { volume: id, generation: 1, connection, mode: 'rw', serial, deviceId: 9, throttle: {} }
    await hostd('disks/attach', { ...context, vm: lab.cloud.vm, disk }, rawCall())
    await hostd('disks/detach', { ...context, vm: lab.cloud.vm, disk: { volume: id, generation: 1 } }, rawCall())
    await san('access/withdraw', { ...context, access: { source, consumer } }, rawCall())
    await san('volumes/delete', { ...context, id }, rawCall())
  }
}

function rawCall(): Call {
  // Objects of the script are its own: any fence will do, the VM's apart, which Moorage never fences above this.
  return { key: randomUUID(), deadline: Date.now() + 30_000, signal: AbortSignal.timeout(30_000), fence: 1_000_000_000 }
}
