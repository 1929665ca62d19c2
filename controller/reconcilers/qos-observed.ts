import { asPluginError, type Call, differingAxes, type Qos, sameQos, type VmId, type VolumeId } from '@moorage/contract'
import { readQos } from '../domain/qos.ts'
import { resourceName } from '../domain/resource.ts'
import { unlessGone } from '../sagas/calls.ts'
import { qosRepair, type QosRepairInput } from '../sagas/qos-repair.ts'
import { qosAtRest, type QosInUse, qosInUse } from '../store/attachments.ts'
import { busySince, databaseNow } from '../store/census.ts'
import { recordEvent } from '../store/events.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, observeQos, updateVolume } from '../store/volumes.ts'
import { askFor, type Wish } from './ask.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

interface Observed extends QosInUse {
  readonly observed: Qos
}

/** Volumes without a VM that are looked at in one turn, about: a read of each is a call of its array. */
const AT_REST = 200
const EVERY_MS = 300_000

/**
 * The observed QoS of every attached volume is what is enforced, read where it is enforced; and, some at a time, that of the others that
 * live on an array. That it differs from what was
 * applied is told once for every difference, and so is that it does not any more. Where the volume's pool says so, what was
 * applied is put back in force.
 */
export const qosObserved: Reconciler = {
  name: 'qos-observed',
  everyMs: EVERY_MS,
  async run(deps, turn) {
    const { reader } = deps.store
    const began = await databaseNow(reader)
    const atRest = await qosAtRest(reader, { most: AT_REST, turn: Math.floor(Date.now() / EVERY_MS) })
    const all = [...(await qosInUse(reader)), ...atRest]
    const places = Map.groupBy(all, ({ place }) => resourceName(place.kind, place.id))
    const found: Observed[] = []
    await inParallel([...places.values()], async (volumes) => {
      found.push(...(await readBack(deps, turn, volumes)))
    })
    // What an operation may just be changing is for the next turn.
    const busy = await busySince(reader, began)
    const drifted: Observed[] = []
    for (const one of found) {
      const names = [resourceName('volume', one.volume), ...(one.vm === undefined ? [] : [resourceName('vm', one.vm)])]
      if (names.some((name) => busy.has(name))) continue
      if (await deps.store.transact(async (tx) => record(tx, one))) drifted.push(one)
    }
    await askFor(deps, turn, {
      head: qosRepair,
      reason: 'its limits were changed outside of Moorage, and its pool puts them back',
      wishes: drifted.flatMap((one) => (one.drift === 'repair' ? [wishFor(one)] : [])),
    })
  },
}

/** Reads the vectors that one pool or host enforces; gives it up for this turn when it does not answer. */
async function readBack(deps: ReconcilerDeps, turn: Turn, volumes: readonly QosInUse[]): Promise<readonly Observed[]> {
  const found: Observed[] = []
  try {
    const read = await readerAt(deps, volumes[0])
    for (const one of volumes) {
      // A volume or machine that is not there has no vector: others look after that.
      const observed = await unlessGone(async () => read(one, turn.call(`qos/${one.volume}`)))
      if (observed) found.push({ ...one, observed })
    }
  } catch (error) {
    const { code, message } = asPluginError(error)
    if (!turn.signal.aborted) deps.log.warn({ ...volumes[0]?.place, code, why: message }, 'QoS cannot be read back')
  }
  return found
}

/** Answers the vector in force; `undefined` where nobody can say. */
type Read = (one: QosInUse, call: Call) => Promise<Qos | undefined>

async function readerAt(deps: ReconcilerDeps, first: QosInUse | undefined): Promise<Read> {
  if (!first) return async () => undefined
  const { kind, id } = first.place
  // Ids of ours are made by us; the brands only keep kinds apart.
  if (kind === 'pool') {
    const { qos } = (await deps.plugins.pool(id)).provider(() => {})
    return async ({ volume }, call) => qos?.read(volume as VolumeId, call) // As above.
  }
  const { throttle } = (await deps.plugins.host(id)).adapter(() => {})
  return async ({ vm, volume }, call) =>
    vm === undefined ? undefined : throttle?.read(vm as VmId, volume as VolumeId, call) // As above.
}

function wishFor({ volume: id, account }: Observed): Wish<QosRepairInput> {
  const still = async (tx: Tx) => (await lockVolume(tx, id))?.qosAlerted !== null
  return { kind: 'volume', id, account, input: { volume: id }, still }
}

/** Records what is in force. Answers whether it is something else than was applied. */
async function record(tx: Tx, { volume, expected: before, observed }: Observed): Promise<boolean> {
  const row = await lockVolume(tx, volume)
  if (!row || row.operationId !== null) return false
  const expected = readQos(row.qosApplied ?? row.qosRequested)
  // An operation that began meanwhile has set, and looked at, another vector.
  if (!sameQos(expected, readQos(before))) return false
  await observeQos(tx, volume, observed)
  const alerted = row.qosAlerted === null ? undefined : readQos(row.qosAlerted)
  if (sameQos(expected, observed)) {
    if (!alerted) return false
    await updateVolume(tx, volume, { qosAlerted: null })
    await tell(tx, row, { type: 'VOLUME.QOS.RESTORED', level: 'INFO', text: 'are again those that were applied' })
    return false
  }
  if (!alerted || !sameQos(alerted, observed)) {
    await updateVolume(tx, volume, { qosAlerted: observed })
    const names = [...differingAxes(expected, observed), ...(expected.ioBytes === observed.ioBytes ? [] : ['ioBytes'])]
    await tell(tx, row, {
      type: 'VOLUME.QOS.DRIFTED',
      level: 'WARN',
      text: `differ from those that were applied on ${names.join(', ')}`,
    })
  }
  return true
}

async function tell(
  tx: Tx,
  volume: VolumeRow,
  what: { readonly type: string; readonly level: 'INFO' | 'WARN'; readonly text: string },
): Promise<void> {
  await recordEvent(tx, {
    type: what.type,
    level: what.level,
    state: 'Completed',
    description: `The limits in force on volume ${volume.name} ${what.text}`,
    account: volume.accountId,
    resource: { kind: 'Volume', id: volume.id },
  })
}
