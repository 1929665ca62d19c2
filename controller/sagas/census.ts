import {
  asPluginError,
  type Call,
  type HypervisorInventoryItem,
  type InventoryItem,
  type Page,
  type Qos,
  sameQos,
  type VolumeId,
} from '@moorage/contract'
import { type CensusPlace, compareCensus, type Finding } from '../domain/census.ts'
import { readQos } from '../domain/qos.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { busySince, censusView, databaseNow, recordFindings, volumesWithArrayQos } from '../store/census.ts'
import { allHosts } from '../store/hosts.ts'
import { allPools } from '../store/pools.ts'
import type { Tx } from '../store/store.ts'
import { observeQos } from '../store/volumes.ts'
import { part } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'

/** `graceSeconds`: an object on a back end younger than this is not called an orphan; absent means 0. */
export interface CensusInput {
  readonly graceSeconds?: number
}

/** Compares what arrays and hosts hold with what the database says, and records the differences. Changes nothing else. */
export const census = sagaHead<CensusInput>({
  name: 'census',
  version: 1,
  lane: 'housekeeping',
  needs: async () => [resourceName('census', 'all')],
})

interface Counted {
  readonly run: string
  readonly findings: readonly Omit<Finding, 'resources'>[]
  /** Places that did not answer: nothing is known of them, and the findings say so. */
  readonly unlisted: readonly string[]
  readonly observed: readonly { readonly volume: string; readonly qos: Qos }[]
}

/** One step: look at the database, at every pool and host page by page, at the database again; then record. */
export function censusSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<CensusInput, Tx>(census)
    .step('count', {
      run: async ({ input }, context) => count(deps, input, context),
      record: async (tx, _seen, { run, findings, unlisted, observed }) => {
        await recordFindings(tx, run, { findings, unlisted })
        for (const { volume, qos } of observed) await observeQos(tx, volume, qos)
      },
      undo: async () => {},
    })
    .build()
}

interface Looked {
  readonly places: readonly CensusPlace[]
  readonly silent: readonly Finding[]
  readonly observed: readonly { readonly volume: string; readonly qos: Qos; readonly drift: Finding | undefined }[]
}

async function count(deps: SagaDeps, input: CensusInput, context: StepContext): Promise<Counted> {
  const { reader } = deps.store
  const began = await databaseNow(reader)
  const before = await censusView(reader)
  const looked = await lookEverywhere(deps, context)
  const after = await censusView(reader)
  const busy = await busySince(reader, began, context.operation)
  const graceMs = (input.graceSeconds ?? 0) * 1000
  const compared = compareCensus({ before, after, places: looked.places, busy, now: Date.now(), graceMs })
  const idle = looked.observed.filter(({ volume }) => !busy.has(resourceName('volume', volume)))
  const drifts = idle.flatMap(({ drift }) => drift ?? [])
  return {
    run: context.operation,
    findings: [...compared, ...drifts, ...looked.silent].map(({ resources: _resources, ...finding }) => finding),
    unlisted: looked.silent.map(({ place }) => place),
    observed: idle.map(({ volume, qos }) => ({ volume, qos })),
  }
}

async function lookEverywhere(deps: SagaDeps, context: StepContext): Promise<Looked> {
  const pools = await allPools(deps.store.reader)
  const hosts = await allHosts(deps.store.reader)
  const places: CensusPlace[] = []
  const silent: Finding[] = []
  const observed: Looked['observed'][number][] = []
  const total = pools.length + hosts.length
  const look = async (place: string, work: () => Promise<void>) => {
    context.progress({ done: places.length + silent.length, total, unit: 'items', note: place })
    try {
      await work()
    } catch (error) {
      const { code, message } = asPluginError(error)
      silent.push({
        kind: 'drifted',
        place,
        object: 'inventory',
        detail: `could not be listed: ${code}: ${message}`,
        resources: [],
      })
    }
  }
  for (const { id } of pools) {
    await look(resourceName('pool', id), async () => {
      const provider = (await deps.plugins.pool(id)).provider(context.log)
      const items: InventoryItem[] = await allPages(
        async (cursor, call) => provider.inventory.list(cursor, call),
        id,
        context,
      )
      observed.push(...(await readBack(deps, id, context)))
      places.push({ kind: 'pool', id, items })
    })
  }
  for (const { id } of hosts) {
    await look(resourceName('host', id), async () => {
      const adapter = (await deps.plugins.host(id)).adapter(context.log)
      const items: HypervisorInventoryItem[] = await allPages(
        async (cursor, call) => adapter.inventory.list(cursor, call),
        id,
        context,
      )
      places.push({ kind: 'host', id, items })
    })
  }
  return { places, silent, observed }
}

async function allPages<Item>(
  list: (cursor: string | undefined, call: Call) => Promise<Page<Item>>,
  of: string,
  context: StepContext,
): Promise<Item[]> {
  const items: Item[] = []
  let cursor: string | undefined
  for (let page = 0; ; page += 1) {
    const { items: more, next } = await list(cursor, part(context.call, `list/${of}/${page}`))
    items.push(...more)
    if (next === undefined) return items
    cursor = next
  }
}

/** What each array-enforced vector is now, read where it is enforced, and where that differs from what was applied. */
async function readBack(deps: SagaDeps, pool: string, context: StepContext): Promise<Looked['observed']> {
  const { qos } = (await deps.plugins.pool(pool)).provider(context.log)
  if (!qos) return []
  const found: Looked['observed'][number][] = []
  for (const volume of await volumesWithArrayQos(deps.store.reader, pool)) {
    const expected = readQos(volume.qosApplied ?? volume.qosRequested)
    const observed = await qosOf(async (call) => qos.read(volume.id as VolumeId, call), volume.id, context) // An id of ours.
    if (!observed) continue
    const drift: Finding | undefined = sameQos(expected, observed)
      ? undefined
      : {
          kind: 'drifted',
          place: resourceName('pool', pool),
          object: `qos:${volume.id}`,
          detail: `enforces ${JSON.stringify(observed)}, applied was ${JSON.stringify(expected)}`,
          resources: [],
        }
    found.push({ volume: volume.id, qos: observed, drift })
  }
  return found
}

/** A volume that is not there has no vector: the inventory reports it. */
async function qosOf(
  read: (call: Call) => Promise<Qos>,
  volume: string,
  context: StepContext,
): Promise<Qos | undefined> {
  try {
    return await read(part(context.call, `qos/${volume}`))
  } catch (error) {
    if (asPluginError(error).code === 'NOT_FOUND') return undefined
    throw error
  }
}
