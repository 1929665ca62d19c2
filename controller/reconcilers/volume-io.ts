import { asPluginError, type Call, type VmId, type VolumeId, type VolumeStats } from '@moorage/contract'
import { arrayCounter, machineCounter, type Reading } from '../domain/usage.ts'
import { unlessGone } from '../sagas/calls.ts'
import { type IoDue, ioDue, type IoFound, recordReadings } from '../store/volume-io.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** How long a reading holds, and how many volumes are read in one turn at most. */
const HOLDS_SECONDS = 300
const MOST = 2_000
/** Readings recorded in one transaction. */
const BATCH = 200

/**
 * The I/O of every volume that is, or was just now, a disk is in the ledger of usage, some minutes late. It is read where
 * the array counts; else where the machine does that has it, whose last minutes are lost when it stops.
 */
export const volumeIo: Reconciler = {
  name: 'volume-io',
  everyMs: 60_000,
  async run(deps, turn) {
    const due = await ioDue(deps.store.reader, { seconds: HOLDS_SECONDS, most: MOST })
    const found: IoFound[] = []
    const elsewhere: IoDue[] = []
    await inParallel([...Map.groupBy(due, ({ pool }) => pool)], async ([pool, volumes]) => {
      const read = await readAll(deps, turn, { volumes, reader: async () => arrayReader(deps, pool) })
      if (read) found.push(...read)
      else elsewhere.push(...volumes)
    })
    await inParallel([...Map.groupBy(elsewhere, ({ machine }) => machine?.host)], async ([host, volumes]) => {
      const read = await readAll(deps, turn, { volumes, reader: async () => hostReader(deps, host) })
      found.push(...(read ?? volumes.map(unread)))
    })
    for (let at = 0; at < found.length && !turn.signal.aborted; at += BATCH)
      await deps.store.transact(async (tx) => recordReadings(tx, found.slice(at, at + BATCH)))
  },
}

/** Answers `undefined` where there is nothing to read. */
type Read = (one: IoDue, call: Call) => Promise<Reading | undefined>

/** How the array of a pool is read; `undefined` when it does not count. */
async function arrayReader(deps: ReconcilerDeps, pool: string | undefined): Promise<Read | undefined> {
  if (pool === undefined) return undefined
  const { stats } = (await deps.plugins.pool(pool)).provider(() => {})
  if (!stats) return undefined
  return async ({ volume }, call) => {
    // Ids of ours are made by us; the brands only keep kinds apart.
    const counters = await unlessGone(async () => stats.read(volume as VolumeId, call)) // As said.
    return readingOf(arrayCounter(pool), counters)
  }
}

/** How the disks of a host's machines are read; `undefined` when it does not count. */
async function hostReader(deps: ReconcilerDeps, host: string | undefined): Promise<Read | undefined> {
  if (host === undefined) return undefined
  const { stats } = (await deps.plugins.host(host)).adapter(() => {})
  if (!stats) return undefined
  return async ({ machine, volume }, call) => {
    if (!machine) return undefined
    // Ids of ours are made by us; the brands only keep kinds apart.
    const [vm, disk] = [machine.vm as VmId, volume as VolumeId] // As said.
    const counters = await unlessGone(async () => stats.read(vm, disk, call))
    return readingOf(machineCounter(machine), counters)
  }
}

function readingOf(source: string, counters: VolumeStats | null): Reading | undefined {
  return counters === null ? undefined : { source, counters }
}

/** Nobody counts the I/O of this volume where it is now. */
function unread({ volume, readings, attached }: IoDue): IoFound {
  return { volume, readings, live: attached }
}

/**
 * Reads volumes of one place; `undefined` when nobody counts there. When it does not answer, all that are left wait for
 * their next turn, and are live still.
 */
async function readAll(
  deps: ReconcilerDeps,
  turn: Turn,
  of: { readonly volumes: readonly IoDue[]; readonly reader: () => Promise<Read | undefined> },
): Promise<readonly IoFound[] | undefined> {
  const found: IoFound[] = []
  try {
    const read = await of.reader()
    if (!read) return undefined
    for (const one of of.volumes) {
      const reading = await read(one, turn.call(`io/${one.volume}`))
      found.push({ ...unread(one), ...(reading ? { reading } : {}) })
    }
  } catch (error) {
    const { code, message } = asPluginError(error)
    const place = of.volumes[0]?.pool ?? of.volumes[0]?.machine?.host
    if (!turn.signal.aborted) deps.log.warn({ place, code, why: message }, 'I/O counters cannot be read')
    for (const one of of.volumes.slice(found.length)) found.push({ ...unread(one), live: true })
  }
  return found
}
