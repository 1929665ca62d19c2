import { type HypervisorInventoryItem, type InventoryItem, type Qos, sameQos } from '@moorage/contract'
import { factsOf, type FindingClass, type FindingKind } from './census-classes.ts'
import { resourceName } from './resource.ts'

/**
 * What the database says of some objects. Keys are ids; see the functions below for those of pairs. Of what is not asked
 * about it need not say anything.
 */
export interface CensusView {
  /** Volumes that live, or are to live, somewhere. */
  readonly volumes: ReadonlyMap<string, RecordedVolume>
  readonly snapshots: ReadonlyMap<string, { readonly pool: string; readonly state: string; readonly volume: string }>
  /** By `exposureKey`. */
  readonly exposures: ReadonlyMap<
    string,
    { readonly pool: string; readonly state: string; readonly source: string; readonly mode: string }
  >
  readonly vms: ReadonlyMap<string, { readonly host: string | null; readonly state: string }>
  /** Disks by volume. */
  readonly disks: ReadonlyMap<string, { readonly vm: string; readonly generation: number; readonly actual: string }>
  /** Beginnings of ids, see `serialIn`, of what somebody at the place has access to. */
  readonly served: ReadonlySet<string>
}

/** Where a volume lives, or is to live. Bytes as on the array. */
export interface RecordedVolume {
  readonly pool: string
  readonly state: string
  readonly bytes: number
  /** The vector that its array was last known to apply; absent where it is not the array that enforces one. */
  readonly applied?: Qos
}

/** Objects that one pool or host holds: all, or some of them. */
export type CensusPlace =
  | { readonly kind: 'pool'; readonly id: string; readonly items: readonly InventoryItem[] }
  | { readonly kind: 'host'; readonly id: string; readonly items: readonly HypervisorInventoryItem[] }

/** A difference between what is there and what should be. */
export interface Finding {
  readonly class: FindingClass
  readonly kind: FindingKind
  /** `pool:ID` or `host:ID`. */
  readonly place: string
  /** `volume:ID`, `snapshot:ID`, `exposure:SOURCE@HOST`, `vm:ID`, `disk:VM/VOLUME`, `structure:NAME`; a kind for foreign. */
  readonly object: string
  readonly detail: string
  /** Locks of operations that may be the reason: while one of them works, this is no finding. */
  readonly resources: readonly string[]
  /** As provisioned; absent where the object has no size, or is not there. */
  readonly bytes?: number
}

/** Key of a source's exposure to a host. `source` is `volume:ID` or `snapshot:ID`. */
export function exposureKey(source: string, host: string): string {
  return `${source}@${host}`
}

/** The lock of what is done about one object of one place, found or not. */
function findingLock(place: string, object: string): string {
  return resourceName('census', `${place} ${object}`)
}

/** Puts a finding together: its kind is that of its class, and its own lock is among its locks. */
export function finding(of: Omit<Finding, 'kind'>): Finding {
  const { place, object, resources } = of
  return { ...of, kind: factsOf(of.class).kind, resources: [...resources, findingLock(place, object)] }
}

/** Under which name an object of ours stands in findings. */
export function objectOf(item: (InventoryItem | HypervisorInventoryItem) & { readonly owner: 'ours' }): string {
  if (item.kind === 'exposure') return `exposure:${exposureKey(`${item.source.kind}:${item.source.id}`, item.consumer)}`
  if (item.kind === 'disk') return `disk:${item.vm}/${item.volume}`
  return `${item.kind}:${item.id}`
}

/**
 * What is wrong with the objects of one place that are ours. `view` must say what is recorded of them. An orphan younger
 * than `graceMs` at `now` is passed over. Not told from here: what is missing (`missingFrom`), and whether an operation
 * works on any of it, of which `resources` are the locks.
 */
export function judge(
  place: CensusPlace,
  view: CensusView,
  grace: { readonly now: number; readonly graceMs: number },
): readonly Finding[] {
  const at = resourceName(place.kind, place.id)
  const report = (found: Found) => finding({ place: at, ...found })
  if (place.kind === 'host') {
    return place.items.flatMap((item) => (item.owner === 'ours' ? judgeOnHost(place.id, item, view) : [])).map(report)
  }
  return place.items.flatMap((item) => {
    if (item.owner !== 'ours') return []
    const found = judgeInPool(place.id, item, view)
    const young = item.createdAt !== undefined && grace.now - item.createdAt < grace.graceMs
    const passes = found && !(young && factsOf(found.class).kind === 'orphan')
    return [...(passes ? [report(found)] : []), ...judgeLimits(place.id, item, view).map(report)]
  })
}

/** What is wrong with the place that a view of what it did not list is about: everything in it is missing. */
export function missingFrom(place: Pick<CensusPlace, 'kind' | 'id'>, view: CensusView): readonly Finding[] {
  const at = resourceName(place.kind, place.id)
  const found = place.kind === 'pool' ? missingFromPool(place.id, view) : missingFromHost(place.id, view)
  return found.map((each) => finding({ place: at, ...each }))
}

type Found = Omit<Finding, 'place' | 'kind'>
/** Of items of an inventory those that are ours. */
export type Ours<Item> = Extract<Item, { readonly owner: 'ours' }>

/** Locks under which a volume may be changing. */
function locksOf(volume: string, view: CensusView): readonly string[] {
  const disk = view.disks.get(volume)
  return [resourceName('volume', volume), ...(disk ? [resourceName('vm', disk.vm)] : [])]
}

function judgeInPool(pool: string, item: Ours<InventoryItem>, view: CensusView): Found | undefined {
  if (item.kind === 'volume') return judgeVolume(pool, item, view)
  if (item.kind === 'exposure') return judgeExposure(pool, item, view)
  const object = objectOf(item)
  if (item.kind === 'snapshot') {
    if (view.snapshots.get(item.id)?.pool === pool) return undefined
    const resources = [object, ...locksOf(item.volume, view)]
    return { class: 'orphan-snapshot', object, detail: item.name, resources, bytes: item.bytes }
  }
  const serves = !item.stale && view.served.has(serialIn(`${item.id} ${item.name}`))
  return serves ? undefined : { class: 'stale-structure', object, detail: item.name, resources: [] }
}

function judgeVolume(
  pool: string,
  item: Extract<Ours<InventoryItem>, { readonly kind: 'volume' }>,
  view: CensusView,
): Found | undefined {
  const known = view.volumes.get(item.id)
  const about = { object: objectOf(item), resources: locksOf(item.id, view), bytes: item.bytes }
  if (!known) return { class: 'orphan-volume', detail: item.name, ...about }
  if (known.pool !== pool)
    return { class: 'duplicated-volume', detail: `${item.name}, recorded in another pool`, ...about }
  if (known.state === 'intended') return { class: 'drifted-state', detail: 'is recorded as intended only', ...about }
  if (known.state !== 'present' || known.bytes === item.bytes) return undefined
  return { class: 'drifted-size', detail: `has ${item.bytes} bytes, recorded are ${known.bytes}`, ...about }
}

/** Of limits that were told along with their volume. */
function judgeLimits(pool: string, item: Ours<InventoryItem>, view: CensusView): readonly Found[] {
  const observed = observedIn(pool, item, view)
  const known = item.kind === 'volume' ? view.volumes.get(item.id) : undefined
  return observed && known && item.kind === 'volume' ? driftOf(item.id, known, observed) : []
}

/** The vector that an item of a pool tells of a volume which lives there, and whose limits the array is to enforce. */
export function observedIn(pool: string, item: Ours<InventoryItem>, view: CensusView): Qos | undefined {
  if (item.kind !== 'volume') return undefined
  const known = view.volumes.get(item.id)
  return known?.pool === pool && known.applied ? item.qos : undefined
}

/** What is wrong with the vector of a volume, as it was read back from its array: it differs from what was applied. */
export function limitsFinding(pool: string, volume: string, of: { readonly applied: Qos; readonly observed: Qos }) {
  const [drift] = driftOf(volume, of, of.observed)
  return drift && finding({ place: resourceName('pool', pool), ...drift })
}

function driftOf(volume: string, { applied }: Pick<RecordedVolume, 'applied'>, observed: Qos): readonly Found[] {
  if (!applied || sameQos(applied, observed)) return []
  const detail = `enforces ${JSON.stringify(observed)}, applied was ${JSON.stringify(applied)}`
  return [{ class: 'drifted-qos', object: `qos:${volume}`, detail, resources: [resourceName('volume', volume)] }]
}

function judgeExposure(
  pool: string,
  item: Extract<Ours<InventoryItem>, { readonly kind: 'exposure' }>,
  view: CensusView,
): Found | undefined {
  const source = `${item.source.kind}:${item.source.id}`
  const known = view.exposures.get(exposureKey(source, item.consumer))
  const about = { object: objectOf(item), resources: [source, ...locksOf(item.source.id, view)] }
  if (!known) return { class: 'stale-exposure', detail: 'access that is not recorded', ...about }
  if (known.pool !== pool)
    return { class: 'stale-exposure', detail: 'access to what the volume has left behind', ...about }
  if (known.state === 'withdrawing')
    return { class: 'stale-exposure', detail: 'access that was to be withdrawn', ...about }
  if (known.state !== 'given' || item.mode === undefined || item.mode === known.mode) return undefined
  return { class: 'drifted-access', detail: `is given ${item.mode}, recorded is ${known.mode}`, ...about }
}

function missingFromPool(pool: string, view: CensusView): readonly Found[] {
  const found: Found[] = []
  for (const [id, known] of view.volumes) {
    if (known.pool !== pool || known.state !== 'present') continue
    const about = { object: resourceName('volume', id), resources: locksOf(id, view), bytes: known.bytes }
    found.push({ class: 'ghost-volume', detail: 'is recorded as present', ...about })
  }
  for (const [id, known] of view.snapshots) {
    if (known.pool !== pool || known.state !== 'present') continue
    const object = resourceName('snapshot', id)
    const resources = [object, ...locksOf(known.volume, view)]
    found.push({ class: 'ghost-snapshot', object, detail: 'is recorded as present', resources })
  }
  for (const [key, known] of view.exposures) {
    if (known.pool !== pool || known.state !== 'given') continue
    const [kind, id = ''] = known.source.split(':')
    const resources = [known.source, ...(kind === 'volume' ? locksOf(id, view) : [])]
    found.push({ class: 'ghost-exposure', object: `exposure:${key}`, detail: 'access is recorded as given', resources })
  }
  return found
}

function judgeOnHost(host: string, item: Ours<HypervisorInventoryItem>, view: CensusView): readonly Found[] {
  const object = objectOf(item)
  if (item.kind === 'vm') return judgeVm(host, item, view)
  if (item.kind === 'structure') {
    const serves = !item.stale && view.served.has(serialIn(`${item.id} ${item.name}`))
    return serves ? [] : [{ class: 'stale-structure', object, detail: item.name, resources: [] }]
  }
  const known = view.disks.get(item.volume)
  const about = { object, resources: [resourceName('vm', item.vm), resourceName('volume', item.volume)] }
  if (known?.vm !== item.vm) return [{ class: 'stale-disk', detail: 'a disk that is not recorded', ...about }]
  if (known.generation !== item.generation) {
    const detail = `has generation ${item.generation}, recorded is ${known.generation}`
    return [{ class: 'drifted-disk', detail, ...about }]
  }
  if (known.actual === 'attached') return []
  return [{ class: 'drifted-disk', detail: `is there, recorded as ${known.actual}`, ...about }]
}

function judgeVm(
  host: string,
  item: Extract<Ours<HypervisorInventoryItem>, { readonly kind: 'vm' }>,
  view: CensusView,
): readonly Found[] {
  const object = objectOf(item)
  const known = view.vms.get(item.id)
  const about = { object, resources: [object] }
  if (!known) return [{ class: 'orphan-vm', detail: item.name, ...about }]
  if (item.state === 'stopped' || known.host === host) return []
  if (known.host === null) return [{ class: 'drifted-vm', detail: 'runs here, recorded is nowhere', ...about }]
  return [{ class: 'duplicated-vm', detail: `runs here, recorded is on host ${known.host}`, ...about }]
}

function missingFromHost(host: string, view: CensusView): readonly Found[] {
  const found: Found[] = []
  for (const [id, known] of view.vms) {
    const object = resourceName('vm', id)
    if (known.host !== host || known.state !== 'Running') continue
    found.push({ class: 'ghost-vm', object, detail: 'is recorded as running', resources: [object] })
  }
  for (const [volume, known] of view.disks) {
    const vm = view.vms.get(known.vm)
    if (vm?.host !== host || known.actual !== 'attached') continue
    const object = `disk:${known.vm}/${volume}`
    found.push({ class: 'ghost-disk', object, detail: 'is recorded as attached', resources: locksOf(volume, view) })
  }
  return found
}

/** Digits of an id that stand in a back end's name: a serial holds 20 of them, so no more can be asked for. */
const SERIAL_DIGITS = 20

/** The last id in a text, shortened; '' when there is none. Structures are named after the volume that they serve. */
export function serialIn(text: string): string {
  const found = text.match(new RegExp(`(?<![0-9a-z])[0-9a-f](?:-?[0-9a-f]){${SERIAL_DIGITS - 1},}`, 'g'))
  return found?.at(-1)?.replaceAll('-', '').slice(0, SERIAL_DIGITS) ?? ''
}

/** Objects of one kind in one place that are not ours. */
export interface Strangers {
  readonly kind: string
  readonly objects: number
  readonly bytes: number
}

/** Counts what is not ours, by kind. */
export function countStrangers(items: CensusPlace['items'], before: readonly Strangers[] = []): readonly Strangers[] {
  const counts = new Map(before.map((each) => [each.kind, each]))
  for (const item of items) {
    if (item.owner !== 'foreign') continue
    const { objects, bytes } = counts.get(item.kind) ?? { objects: 0, bytes: 0 }
    const more = 'bytes' in item ? item.bytes : 0
    counts.set(item.kind, { kind: item.kind, objects: objects + 1, bytes: bytes + more })
  }
  return [...counts.values()]
}

/** The finding that tells of strangers. */
export function strangersFinding(place: string, { kind, objects, bytes }: Strangers): Finding {
  const size = bytes > 0 ? `, ${bytes} bytes` : ''
  return finding({
    class: 'foreign',
    place,
    object: kind,
    detail: `${objects} that are not ours${size}`,
    resources: [],
    bytes,
  })
}
