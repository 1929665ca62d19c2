import {
  type HypervisorInventoryItem,
  type InventoryItem,
  type Page,
  type VmId,
  type VolumeId,
} from '@moorage/contract'
import { type CensusPlace, judge, limitsFinding, missingFrom, objectOf } from '../domain/census.ts'
import type { FindingClass } from '../domain/census-classes.ts'
import { Refusal } from '../domain/failures.ts'
import { resourceName } from '../domain/resource.ts'
import type { StepContext } from '../jobs/saga.ts'
import { viewOf } from '../store/census-view.ts'
import { part, unlessGone } from './calls.ts'
import type { SagaDeps } from './deps.ts'

/** A pool or host, by kind and id. */
export type PlaceRef = Pick<CensusPlace, 'kind' | 'id'>

/** What a pool or host holds, page by page, in whatever order it tells. */
export async function* pagesOf(
  deps: Pick<SagaDeps, 'plugins'>,
  at: PlaceRef,
  context: StepContext,
): AsyncGenerator<CensusPlace> {
  const { kind, id } = at
  const call = (page: number) => part(context.call, `list/${id}/${page}`)
  if (kind === 'pool') {
    const { inventory } = (await deps.plugins.pool(id)).provider(context.log)
    yield* pages(
      async (cursor, page) => inventory.list(cursor, call(page)),
      (items) => ({ kind, id, items }),
    )
  } else {
    const { inventory } = (await deps.plugins.host(id)).adapter(context.log)
    yield* pages(
      async (cursor, page) => inventory.list(cursor, call(page)),
      (items) => ({ kind, id, items }),
    )
  }
}

async function* pages<Item>(
  list: (cursor: string | undefined, page: number) => Promise<Page<Item>>,
  place: (items: readonly Item[]) => CensusPlace,
): AsyncGenerator<CensusPlace> {
  let cursor: string | undefined
  for (let page = 0; ; page += 1) {
    const { items, next } = await list(cursor, page)
    yield place(items)
    if (next === undefined) return
    cursor = next
  }
}

/** A finding as it stands in the journal. */
export interface FindingRef {
  readonly class: FindingClass
  readonly place: PlaceRef
  /** Its name in findings. */
  readonly object: string
}

/** An object as it is on its back end just now. Plain data: it stands in the journal. */
export interface Seen {
  readonly present: boolean
  readonly name: string
  readonly bytes: number
  /** Epoch milliseconds; 0 when it is not known. */
  readonly createdAt: number
  /** Of a disk; else 0. */
  readonly generation: number
  /** Of a snapshot: its volume; else ''. */
  readonly volume: string
  /** Hosts that have access to it. */
  readonly consumers: readonly string[]
}

type Ours = (InventoryItem | HypervisorInventoryItem) & { readonly owner: 'ours' }

/**
 * Looks once more, at the back end and at the record, whether a finding still holds: take its locks first. Throws `Refusal`
 * `INVALID` when it does not. The inventory is listed to its end: what refers to the object may stand anywhere in it.
 */
export async function lookAgain(
  deps: Pick<SagaDeps, 'plugins' | 'store'>,
  finding: FindingRef,
  context: StepContext,
): Promise<Seen> {
  const { holds, seen } = await lookFor(deps, finding, context)
  if (!holds) throw stale()
  return seen
}

/** As `lookAgain`, but answers whether the finding holds. */
export async function lookFor(
  deps: Pick<SagaDeps, 'plugins' | 'store'>,
  finding: FindingRef,
  context: StepContext,
): Promise<{ readonly holds: boolean; readonly seen: Seen }> {
  const { place, object } = finding
  if (finding.class === 'drifted-qos') return lookAtQos(deps, finding, context)
  const { item, consumers } = await find(deps, finding, context)
  const there = item !== undefined && !(item.kind === 'vm' && item.state === 'stopped')
  const asked = item ?? wanted(object)
  const shown = placeOf(place, asked ? [asked] : [])
  const view = await viewOf(deps.store.reader, shown)
  const found = [
    ...(item ? judge(shown, view, { now: Date.now(), graceMs: 0 }) : []),
    ...(there ? [] : missingFrom(place, view)),
  ]
  const holds = found.some((each) => each.class === finding.class && each.object === object)
  const seen = {
    present: there,
    name: item?.name ?? '',
    bytes: item && 'bytes' in item ? item.bytes : 0,
    createdAt: (item && 'createdAt' in item ? item.createdAt : undefined) ?? 0,
    generation: item?.kind === 'disk' ? item.generation : 0,
    volume: item?.kind === 'snapshot' ? item.volume : '',
    consumers,
  }
  return { holds, seen }
}

/** What is not as the census had found it: nothing is done. */
export function stale(): Refusal {
  return new Refusal('INVALID', 'The finding does not hold any more: what it tells of has changed. Take a census')
}

async function find(
  deps: Pick<SagaDeps, 'plugins'>,
  { place, object }: FindingRef,
  context: StepContext,
): Promise<{ readonly item: Ours | undefined; readonly consumers: readonly string[] }> {
  let item: Ours | undefined
  const consumers: string[] = []
  for await (const { items } of pagesOf(deps, place, context)) {
    for (const each of items) {
      if (each.owner !== 'ours') continue
      if (objectOf(each) === object) item = each
      if (each.kind === 'exposure' && `${each.source.kind}:${each.source.id}` === object) consumers.push(each.consumer)
    }
  }
  return { item, consumers }
}

/** An object that is not there, as an item by which to ask for what is recorded of it. */
function wanted(object: string): Ours | undefined {
  const [kind = '', ...rest] = object.split(':')
  const id = rest.join(':')
  const base = { owner: 'ours', name: '', bytes: 0 } as const
  // Ids in findings are ids of ours, written by `objectOf`.
  if (kind === 'volume') return { ...base, kind, id } as Ours
  if (kind === 'snapshot') return { ...base, kind, id, volume: '' } as Ours // As above.
  if (kind === 'vm') return { ...base, kind, id: id as VmId, state: 'stopped' } // As above.
  if (kind === 'disk') {
    const { vm, volume } = diskIn(object)
    return { ...base, kind, vm: vm as VmId, volume: volume as VolumeId, generation: 0 } // As above.
  }
  if (kind !== 'exposure') return undefined
  const access = accessIn(object)
  return { ...base, kind, source: access.source, consumer: access.host } as Ours // As above.
}

/** The ids in `disk:VM/VOLUME`. */
export function diskIn(object: string): { readonly vm: string; readonly volume: string } {
  const [vm = '', volume = ''] = object.slice('disk:'.length).split('/')
  return { vm, volume }
}

/** The ids in `exposure:KIND:ID@HOST`. */
export function accessIn(object: string): {
  readonly source: { readonly kind: 'volume' | 'snapshot'; readonly id: string }
  readonly host: string
} {
  const [source = '', host = ''] = object.slice('exposure:'.length).split('@')
  const [kind, id = ''] = source.split(':')
  return { source: { kind: kind === 'snapshot' ? 'snapshot' : 'volume', id }, host }
}

function placeOf(place: PlaceRef, items: readonly Ours[]): CensusPlace {
  // Pools list items of pools, hosts those of hosts: it was found, or is missed, there.
  return { ...place, items } as CensusPlace
}

async function lookAtQos(
  deps: Pick<SagaDeps, 'plugins' | 'store'>,
  { place, object }: FindingRef,
  context: StepContext,
): Promise<{ readonly holds: boolean; readonly seen: Seen }> {
  const { qos } = (await deps.plugins.pool(place.id)).provider(context.log)
  const id = object.slice('qos:'.length) as VolumeId // Written from an id of ours.
  const asked = wanted(resourceName('volume', id))
  const { volumes } = await viewOf(deps.store.reader, placeOf(place, asked ? [asked] : []))
  const { pool, applied } = volumes.get(id) ?? {}
  const observed = await unlessGone(async () => qos?.read(id, part(context.call, 'look')))
  const holds = pool === place.id && applied && observed && limitsFinding(pool, id, { applied, observed })
  const nothing = { name: '', bytes: 0, createdAt: 0, generation: 0, volume: '', consumers: [] }
  return { holds: Boolean(holds), seen: { present: Boolean(observed), ...nothing } }
}
