import { asPluginError, type Qos, type VolumeId } from '@moorage/contract'
import {
  type CensusPlace,
  type CensusView,
  countStrangers,
  type Finding,
  finding,
  judge,
  limitsFinding,
  missingFrom,
  objectOf,
  observedIn,
  type Strangers,
  strangersFinding,
} from '../domain/census.ts'
import { readQos } from '../domain/qos.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { unseen, viewOf } from '../store/census-view.ts'
import {
  type ArrayQos,
  beginSeeing,
  busySince,
  type Counted,
  type Foreign,
  databaseNow,
  forgetBusy,
  noteSeen,
  recordCounted,
  type Sight,
  unreadArrayQos,
} from '../store/census.ts'
import { allHosts } from '../store/hosts.ts'
import { allPools } from '../store/pools.ts'
import type { Tx } from '../store/store.ts'
import { part } from './calls.ts'
import { pagesOf } from './census-look.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'

/** `graceSeconds`: an object on a back end younger than this is not called an orphan; absent means 0. */
export interface CensusInput {
  readonly graceSeconds?: number
}

/** Compares what arrays and hosts hold with what the database says, and records the differences. Changes nothing else. */
export const census = sagaHead<CensusInput>({
  name: 'census',
  version: 2,
  lane: 'housekeeping',
  needs: async () => [resourceName('census', 'all')],
})

/**
 * One step: look at every pool and host page by page, and at what the database says of each page; then at what it says is
 * there and was not seen; then take out what an operation worked on since it began. Nothing but the findings of one page is
 * held in memory: what was seen is noted in the database.
 */
export function censusSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<CensusInput, Tx>(census)
    .step('count', {
      run: async ({ input }, context) => count(deps, input, context),
      record: async (tx, _seen, counted) => recordCounted(tx, counted),
      undo: async () => {},
    })
    .build()
}

/** A census at work. */
interface Round {
  readonly run: string
  readonly graceMs: number
  readonly context: StepContext
}

async function count(deps: SagaDeps, input: CensusInput, context: StepContext): Promise<Counted> {
  const { reader } = deps.store
  const { operation } = context
  const round = { run: `${operation}/${context.call.fence}`, graceMs: (input.graceSeconds ?? 0) * 1000, context }
  const began = await databaseNow(reader)
  await beginSeeing(reader)
  const looked = await lookEverywhere(deps, round)
  const busy = await busySince(reader, began, operation)
  await forgetBusy(reader, round.run, busy)
  return { operation, run: round.run, busy: [...busy], ...looked }
}

async function lookEverywhere(deps: SagaDeps, round: Round): Promise<Pick<Counted, 'unlisted' | 'foreign'>> {
  const { reader } = deps.store
  const pools = (await allPools(reader)).map(({ id }) => ({ kind: 'pool', id }) as const)
  const hosts = (await allHosts(reader)).map(({ id }) => ({ kind: 'host', id }) as const)
  const unlisted: string[] = []
  const foreign: Foreign[] = []
  for (const [done, place] of [...pools, ...hosts].entries()) {
    const name = resourceName(place.kind, place.id)
    round.context.progress({ done, total: pools.length + hosts.length, unit: 'items', note: name })
    try {
      const strangers = await lookAt(deps, place, round)
      if (place.kind === 'pool') foreign.push({ pool: place.id, ...volumesOf(strangers) })
    } catch (error) {
      const { code, message } = asPluginError(error)
      unlisted.push(name)
      await noteSilent(deps, { ...round, place: name, why: `${code}: ${message}` })
    }
  }
  return { unlisted, foreign }
}

/** Snapshots share their volume's bytes, as far as one can know: only volumes are charged. */
function volumesOf(strangers: readonly Strangers[]): Omit<Foreign, 'pool'> {
  const volumes = strangers.find(({ kind }) => kind === 'volume')
  return { volumes: volumes?.objects ?? 0, bytes: volumes?.bytes ?? 0 }
}

async function noteSilent(
  deps: SagaDeps,
  silent: Round & { readonly place: string; readonly why: string },
): Promise<void> {
  const { place } = silent
  const detail = `could not be listed: ${silent.why}`
  const found = finding({ class: 'unlisted', place, object: 'inventory', detail, resources: [] })
  await noteSeen(deps.store.reader, silent.run, [sightOf(found)])
}

/** Goes over one place, and notes what it has and what it lacks. Answers what is there that is not ours. */
async function lookAt(
  deps: SagaDeps,
  at: { readonly kind: 'pool' | 'host'; readonly id: string },
  round: Round,
): Promise<readonly Strangers[]> {
  const { reader } = deps.store
  const { run, graceMs, context } = round
  const name = resourceName(at.kind, at.id)
  let strangers: readonly Strangers[] = []
  for await (const place of pagesOf(deps, at, context)) {
    const view = await viewOf(reader, place)
    const found = judge(place, view, { now: Date.now(), graceMs })
    await noteSeen(reader, run, [...found.map(sightOf), ...seenIn(place, view)])
    strangers = countStrangers(place.items, strangers)
  }
  if (at.kind === 'pool') await readBack(deps, { pool: at.id, run }, context)
  for await (const view of unseen(reader, { run, place: at })) {
    await noteSeen(reader, run, missingFrom(at, view).map(sightOf))
  }
  await noteSeen(
    reader,
    run,
    strangers.map((each) => sightOf(strangersFinding(name, each))),
  )
  return strangers
}

function sightOf(found: Finding): Sight {
  return { place: found.place, object: found.object, finding: found }
}

/** A machine that is stopped is not what is recorded as running. */
function seenIn(at: CensusPlace, view: CensusView): readonly Sight[] {
  const place = resourceName(at.kind, at.id)
  if (at.kind === 'host') {
    return at.items.flatMap((item) => {
      if (item.owner !== 'ours' || (item.kind === 'vm' && item.state === 'stopped')) return []
      return [{ place, object: objectOf(item) }]
    })
  }
  return at.items.flatMap((item) => {
    if (item.owner !== 'ours') return []
    const observed = observedIn(at.id, item, view)
    return [{ place, object: objectOf(item), ...(observed ? { observed } : {}) }]
  })
}

/** How many vectors are read at a time. */
const AT_A_TIME = 16

/** Reads each array-enforced vector that the inventory did not tell, and notes it with where it differs from what was applied. */
async function readBack(
  deps: SagaDeps,
  at: { readonly pool: string; readonly run: string },
  context: StepContext,
): Promise<void> {
  const { reader } = deps.store
  // One record for each volume of an array would drown the rest of the operation's log: what fails is told all the same.
  const { qos } = (await deps.plugins.pool(at.pool)).provider((record) => {
    if (record.outcome !== 'ok') context.log(record)
  })
  if (!qos) return
  for (let after = ''; ;) {
    const volumes = await unreadArrayQos(reader, { ...at, after })
    for (let from = 0; from < volumes.length; from += AT_A_TIME) {
      const some = volumes.slice(from, from + AT_A_TIME)
      const sights = await Promise.all(
        some.map(async (volume) => {
          // An id of ours is made by us; the brand only keeps kinds apart.
          const observed = await unlessAbsent(qos.read(volume.id as VolumeId, part(context.call, `qos/${volume.id}`)))
          return observed ? [qosSight(at.pool, volume, observed)] : []
        }),
      )
      await noteSeen(reader, at.run, sights.flat())
    }
    const last = volumes.at(-1)
    if (!last) return
    after = last.id
  }
}

/** The vector that was read of a volume, and the finding where it differs from what was applied. */
function qosSight(pool: string, volume: ArrayQos, observed: Qos): Sight {
  const applied = readQos(volume.qosApplied ?? volume.qosRequested)
  const drift = limitsFinding(pool, volume.id, { applied, observed })
  if (drift) return { ...sightOf(drift), observed }
  return { place: resourceName('pool', pool), object: `qos:${volume.id}`, observed }
}

/** A volume that is not there has no vector: the inventory reports it. */
async function unlessAbsent(reading: Promise<Qos>): Promise<Qos | undefined> {
  try {
    return await reading
  } catch (error) {
    if (asPluginError(error).code === 'NOT_FOUND') return undefined
    throw error
  }
}
