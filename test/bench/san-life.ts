import { randomUUID } from 'node:crypto'
import type { Connection, HostReport } from '@moorage/contract'
import { wireClient } from '@moorage/wire'
import { text, type Api } from '../../lab/api.ts'
import { labCall } from '../../lab/guest.ts'
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
  const script = await rawLife(lab)
  const raw: number[] = []
  const ours: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    raw.push(await timed(script))
    ours.push(await timed(() => life(api, { zone: cloud.zone, vm: cloud.vm, offering })))
  }
  const inCalls = await callMs(api)
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
    {
      bench: 'san-life',
      case: 'of it: calls of SAN and host',
      value: inCalls,
      unit: 'ms',
      ratio: inCalls / warm.raw,
      note: 'as the operations log them, median; the rest is API, journal and client',
    },
  ]
}

const COMMANDS: readonly unknown[] = ['createVolume', 'attachVolume', 'detachVolume', 'destroyVolume']

/** Milliseconds that the plug-in calls of a life took: the median over the volumes, from the logs of their operations. */
async function callMs(api: Api): Promise<number> {
  const ended = await api.list('listOperations', { state: 'ended', listall: true })
  const lives = Map.groupBy(
    ended.filter(({ command }) => COMMANDS.includes(command)),
    (one) => text(one, 'subjectid'),
  )
  const sums: number[] = []
  for (const operations of lives.values()) {
    let sum = 0
    for (const operation of operations) {
      const log = await api.list('listOperationLogs', { id: text(operation, 'id') })
      sum += log.reduce((ms, { kind, ms: took }) => ms + (kind === 'call' ? Number(took) : 0), 0)
    }
    if (operations.length === COMMANDS.length) sums.push(sum)
  }
  return median(sums)
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

/** The same by hand: what an administrator's script would send to the SAN and to the host, on a VM of its own. */
async function rawLife(lab: RealLab): Promise<() => Promise<void>> {
  const san = wireClient(sanAccess(lab.at))
  const hostd = wireClient(hostdAccess(lab.at))
  const owner = randomUUID()
  const array = { pool: 'pool1', owner }
  const vm = randomUUID()
  const machine = { id: vm, name: 'script', cpus: 1, memoryBytes: 128 * 2 ** 20, disks: [] }
  await hostd('vms/start', { owner, spec: machine }, labCall(30_000))
  const { initiator } = await hostd<HostReport>('hosts/report', { owner }, labCall(10_000))
  const consumer = { kind: 'host', id: randomUUID(), initiator }
  return async () => {
    const id = randomUUID()
    const source = { kind: 'volume', id }
    const spec = { id, bytes: GIB, qos: { totalIops: { min: 100, max: 1000 } }, settings: {} }
    await san('volumes/create', { ...array, spec }, labCall(30_000))
    const exposure = { source, consumer, mode: 'rw', account: 'script' }
    const connection = await san<Connection>('access/expose', { ...array, exposure }, labCall(30_000))
    const serial = id.replaceAll('-', '').slice(0, 20)
    const disk = { volume: id, generation: 1, connection, mode: 'rw', serial, deviceId: 9, throttle: {} }
    await hostd('disks/attach', { owner, vm, disk }, labCall(30_000))
    await hostd('disks/detach', { owner, vm, disk: { volume: id, generation: 1 } }, labCall(30_000))
    await san('access/withdraw', { ...array, access: { source, consumer } }, labCall(30_000))
    await san('volumes/delete', { ...array, id }, labCall(30_000))
  }
}
