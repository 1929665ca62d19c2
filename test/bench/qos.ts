import { type Connection, serialOf, type VolumeId } from '@moorage/contract'
import { bench as load, startLoad } from '@moorage/san/testing'
import { mean, readRates } from '../../lab/guest.ts'
import { realCloud, type RealCloud } from '../support/real-cloud.ts'
import type { Bench, BenchRow } from './report.ts'

const SECONDS = 10
/** QEMU lets a tenth of a second's worth through at first. */
const FIRST = 0.1
const WITHIN = 'x0.95 - x1.05'

/**
 * What was sold, against what gets through: from the API over saga and SAN to an initiator that Moorage does not own (QEMU's,
 * by its own clock), and to the guest's own counters.
 */
export const qos: Bench = {
  name: 'qos',
  about: 'limits and guarantees as sold by the API, measured by an initiator beside it and in the guest',
  run: async () => [...(await limits()), ...(await guarantees()), ...(await throttles())],
}

/** An offering of 500/2000/4000: its burst, its limit, and what the machine does without one. */
async function limits(): Promise<readonly BenchRow[]> {
  const cloud = await realCloud({ iops: 20_000 })
  try {
    const [min, max, burst, burstSeconds] = [500, 2000, 4000, 5]
    const raw = await cloud.disk({})
    const unlimited = await rate(await cloud.access(raw), 60_000)
    await cloud.drop(raw)
    const volume = await cloud.disk({ miniops: min, maxiops: max, burstiops: burst, burstseconds: burstSeconds })
    const connection = await cloud.access(volume)
    const bursting = await rate(connection, burst * burstSeconds * 0.8, burst)
    // What is left of the burst's credit goes first.
    for (let drained = 0; drained < burst * burstSeconds && (await rate(connection, max)) > max * 1.05;) drained += max
    const sustained = await rate(connection, max * SECONDS)
    await cloud.drop(volume)
    return [
      { ...row('no limit: the raw path', unlimited), note: 'below 4800 the machine is too busy to tell' },
      { ...row('500/2000/4000: burst', bursting), ratio: bursting / burst, goal: WITHIN },
      { ...row('500/2000/4000: max', sustained), ratio: sustained / max, goal: WITHIN },
    ]
  } finally {
    await cloud.stop()
  }
}

/** Minimums of 500, 200 and 100 on a pool of 1,000, each measured under full load of the others; then beside one without QoS. */
async function guarantees(): Promise<readonly BenchRow[]> {
  const cloud = await realCloud({ iops: 1000 })
  try {
    const minimums = [500, 200, 100]
    const volumes: Loaded[] = []
    for (const miniops of minimums) volumes.push(await loaded(cloud, { miniops }))
    const rows = await eachAmid(minimums, volumes, { of: '', others: [] })
    const greedy = await loaded(cloud, {})
    return [...rows, ...(await eachAmid(minimums, volumes, { of: ', beside a greedy one', others: [greedy] }))]
  } finally {
    await cloud.stop()
  }
}

interface Loaded {
  readonly connection: Connection
}

async function loaded(cloud: RealCloud, offering: Parameters<RealCloud['disk']>[0]): Promise<Loaded> {
  return { connection: await cloud.access(await cloud.disk(offering)) }
}

async function eachAmid(
  minimums: readonly number[],
  volumes: readonly Loaded[],
  amid: { readonly of: string; readonly others: readonly Loaded[] },
): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const [index, volume] of volumes.entries()) {
    const min = minimums[index] ?? 0
    const others = [...volumes.filter((one) => one !== volume), ...amid.others]
    const loads = others.map(({ connection }) => startLoad(connection, { direction: 'write' }))
    // The first seconds are the allocator's: it learns who wants how much.
    await rate(volume.connection, min * 4)
    const got = await rate(volume.connection, min * SECONDS)
    await Promise.all(loads.map((one) => one.stop()))
    rows.push({ ...row(`minimum ${min} of a pool of 1000${amid.of}`, got), ratio: got / min, goal: '>= x0.95' })
  }
  return rows
}

/** Limits of the hypervisor, counted at the block device in the guest. */
async function throttles(): Promise<readonly BenchRow[]> {
  const cloud = await realCloud({ iops: 20_000, guest: true })
  try {
    const rows: BenchRow[] = []
    for (const limit of [200, 400]) {
      const volume = await cloud.disk({ iopsreadrate: limit })
      const device = await cloud.guest.disk(serialOf(volume as VolumeId)) // Ids of volumes come from the API as text.
      const { perSecond } = await readRates(cloud.guest, { device, file: `/dev/${device}`, seconds: SECONDS + 2 })
      const got = mean(perSecond.slice(2))
      rows.push({ ...row(`hypervisor: ${limit} reads, in the guest`, got), ratio: got / limit, goal: WITHIN })
      await cloud.controller.api.run('detachVolume', { id: volume })
    }
    return rows
  } finally {
    await cloud.stop()
  }
}

/** Requests per second of `count` reads by QEMU's initiator, less what was let through at first under `limit`. */
async function rate(connection: Connection, count: number, limit = 0): Promise<number> {
  const seconds = await load(connection, Math.round(count), { direction: 'read' })
  return (count - limit * FIRST) / seconds
}

function row(what: string, value: number): BenchRow {
  return { bench: 'qos', case: what, value, unit: 'IOPS' }
}
