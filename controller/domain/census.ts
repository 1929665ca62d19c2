import type { HypervisorInventoryItem, InventoryItem } from '@moorage/contract'
import { resourceName } from './resource.ts'

/** What the database says is out there, at one moment. Keys are ids; see the functions below for those of pairs. */
export interface CensusView {
  /** Volumes that live, or are to live, somewhere. Bytes as on the array. */
  readonly volumes: ReadonlyMap<string, { readonly pool: string; readonly state: string; readonly bytes: number }>
  readonly snapshots: ReadonlyMap<string, { readonly pool: string; readonly state: string; readonly volume: string }>
  /** By `exposureKey`. */
  readonly exposures: ReadonlyMap<string, { readonly pool: string; readonly state: string; readonly source: string }>
  readonly vms: ReadonlyMap<string, { readonly host: string | null; readonly state: string }>
  /** Disks by volume. */
  readonly disks: ReadonlyMap<string, { readonly vm: string; readonly generation: number; readonly actual: string }>
}

/** What one pool or host holds. */
export type CensusPlace =
  | { readonly kind: 'pool'; readonly id: string; readonly items: readonly InventoryItem[] }
  | { readonly kind: 'host'; readonly id: string; readonly items: readonly HypervisorInventoryItem[] }

/** A difference between what is there and what should be. */
export interface Finding {
  readonly kind: 'orphan' | 'ghost' | 'drifted' | 'foreign'
  /** `pool:ID` or `host:ID`. */
  readonly place: string
  /** `volume:ID`, `snapshot:ID`, `exposure:SOURCE@HOST`, `vm:ID`, `disk:VM/VOLUME`, `structure:NAME`; a kind for foreign. */
  readonly object: string
  readonly detail: string
  /** Locks of operations that may be the reason: while one of them works, this is no finding. */
  readonly resources: readonly string[]
  /** Epoch milliseconds; absent when the back end does not know. */
  readonly createdAt?: number
}

/** Key of a source's exposure to a host. `source` is `volume:ID` or `snapshot:ID`. */
export function exposureKey(source: string, host: string): string {
  return `${source}@${host}`
}

/**
 * What differs between the places and the database, as far as both views agree on it and nothing works on it: what one
 * view alone calls wrong was in motion. `busy` names the locks of every operation that was open at any time since the
 * first view was taken. An object younger than `graceMs` is not yet called an orphan. Foreign objects are counted only.
 */
export function compareCensus(what: {
  readonly before: CensusView
  readonly after: CensusView
  readonly places: readonly CensusPlace[]
  readonly busy: ReadonlySet<string>
  readonly now: number
  readonly graceMs: number
}): readonly Finding[] {
  const { before, after, places, busy, now, graceMs } = what
  return places.flatMap((place) => {
    const later = new Set(judge(place, after).map(keyOf))
    const settled = judge(place, before).filter(
      (finding) =>
        later.has(keyOf(finding)) &&
        !finding.resources.some((name) => busy.has(name)) &&
        !(finding.kind === 'orphan' && finding.createdAt !== undefined && now - finding.createdAt < graceMs),
    )
    return [...settled, ...strangers(place)]
  })
}

function keyOf({ kind, object }: Finding): string {
  return `${kind} ${object}`
}

function judge(place: CensusPlace, view: CensusView): readonly Finding[] {
  return place.kind === 'pool' ? judgePool(place, view) : judgeHost(place, view)
}

/** Locks under which a volume may be changing. */
function locksOf(volume: string, view: CensusView): readonly string[] {
  const disk = view.disks.get(volume)
  return [resourceName('volume', volume), ...(disk ? [resourceName('vm', disk.vm)] : [])]
}

type PoolPlace = Extract<CensusPlace, { readonly kind: 'pool' }>
type HostPlace = Extract<CensusPlace, { readonly kind: 'host' }>

function judgePool(place: PoolPlace, view: CensusView): readonly Finding[] {
  const at = resourceName('pool', place.id)
  const seen = new Set<string>()
  const found: Finding[] = []
  const add = (finding: Omit<Finding, 'place'>) => void found.push({ place: at, ...finding })
  const served = servedSerials(place.id, view)
  for (const item of place.items) {
    if (item.owner === 'foreign') continue
    const since = item.createdAt === undefined ? {} : { createdAt: item.createdAt }
    if (item.kind === 'volume') {
      const object = resourceName('volume', item.id)
      seen.add(object)
      const known = view.volumes.get(item.id)
      const resources = locksOf(item.id, view)
      if (known?.pool !== place.id) add({ kind: 'orphan', object, detail: item.name, resources, ...since })
      else if (known.state === 'intended')
        add({ kind: 'drifted', object, detail: 'is recorded as intended only', resources })
      else if (known.state === 'present' && known.bytes !== item.bytes) {
        add({ kind: 'drifted', object, detail: `has ${item.bytes} bytes, recorded are ${known.bytes}`, resources })
      }
    } else if (item.kind === 'snapshot') {
      const object = resourceName('snapshot', item.id)
      seen.add(object)
      const resources = [object, ...locksOf(item.volume, view)]
      const known = view.snapshots.get(item.id)
      if (known?.pool !== place.id) add({ kind: 'orphan', object, detail: item.name, resources, ...since })
    } else if (item.kind === 'exposure') {
      const source = `${item.source.kind}:${item.source.id}`
      const key = exposureKey(source, item.consumer)
      seen.add(`exposure:${key}`)
      const known = view.exposures.get(key)
      const resources = [source, ...locksOf(item.source.id, view)]
      if (!known) add({ kind: 'drifted', object: `exposure:${key}`, detail: 'access that is not recorded', resources })
      else if (known.state === 'withdrawing') {
        add({ kind: 'drifted', object: `exposure:${key}`, detail: 'access that was to be withdrawn', resources })
      }
    } else if (!served.has(serialIn(`${item.id} ${item.name}`))) {
      add({ kind: 'orphan', object: `structure:${item.id}`, detail: item.name, resources: [], ...since })
    }
  }
  return [...found, ...missingFromPool(place.id, view, seen)]
}

function missingFromPool(pool: string, view: CensusView, seen: ReadonlySet<string>): readonly Finding[] {
  const place = resourceName('pool', pool)
  const found: Finding[] = []
  for (const [id, known] of view.volumes) {
    const object = resourceName('volume', id)
    if (known.pool !== pool || known.state !== 'present' || seen.has(object)) continue
    found.push({ kind: 'ghost', place, object, detail: 'is recorded as present', resources: locksOf(id, view) })
  }
  for (const [id, known] of view.snapshots) {
    const object = resourceName('snapshot', id)
    if (known.pool !== pool || known.state !== 'present' || seen.has(object)) continue
    const resources = [object, ...locksOf(known.volume, view)]
    found.push({ kind: 'ghost', place, object, detail: 'is recorded as present', resources })
  }
  for (const [key, known] of view.exposures) {
    const object = `exposure:${key}`
    if (known.pool !== pool || known.state !== 'given' || seen.has(object)) continue
    const resources = [known.source, ...locksOf(known.source.slice('volume:'.length), view)]
    found.push({ kind: 'ghost', place, object, detail: 'access is recorded as given', resources })
  }
  return found
}

function judgeHost(place: HostPlace, view: CensusView): readonly Finding[] {
  const at = resourceName('host', place.id)
  const seen = new Set<string>()
  const found: Finding[] = []
  const add = (finding: Omit<Finding, 'place'>) => void found.push({ place: at, ...finding })
  const plugged = pluggedSerials(place.id, view)
  for (const item of place.items) {
    if (item.owner === 'foreign') continue
    if (item.kind === 'vm') {
      const object = resourceName('vm', item.id)
      const known = view.vms.get(item.id)
      if (item.state !== 'stopped') seen.add(object)
      if (!known) add({ kind: 'orphan', object, detail: item.name, resources: [object] })
      else if (item.state !== 'stopped' && known.host !== place.id) {
        const where = known.host === null ? 'nowhere' : `on host ${known.host}`
        add({ kind: 'drifted', object, detail: `runs here, recorded is ${where}`, resources: [object] })
      }
    } else if (item.kind === 'disk') {
      const object = `disk:${item.vm}/${item.volume}`
      seen.add(object)
      const known = view.disks.get(item.volume)
      const resources = [resourceName('vm', item.vm), resourceName('volume', item.volume)]
      if (known?.vm !== item.vm) add({ kind: 'drifted', object, detail: 'a disk that is not recorded', resources })
      else if (known.generation !== item.generation) {
        const detail = `has generation ${item.generation}, recorded is ${known.generation}`
        add({ kind: 'drifted', object, detail, resources })
      } else if (known.actual !== 'attached') {
        add({ kind: 'drifted', object, detail: `is there, recorded as ${known.actual}`, resources })
      }
    } else if (!plugged.has(serialIn(`${item.id} ${item.name}`))) {
      add({ kind: 'orphan', object: `structure:${item.id}`, detail: item.name, resources: [] })
    }
  }
  return [...found, ...missingFromHost(place.id, view, seen)]
}

function missingFromHost(host: string, view: CensusView, seen: ReadonlySet<string>): readonly Finding[] {
  const place = resourceName('host', host)
  const found: Finding[] = []
  for (const [id, known] of view.vms) {
    const object = resourceName('vm', id)
    if (known.host !== host || known.state !== 'Running' || seen.has(object)) continue
    found.push({ kind: 'ghost', place, object, detail: 'is recorded as Running', resources: [object] })
  }
  for (const [volume, known] of view.disks) {
    const object = `disk:${known.vm}/${volume}`
    const vm = view.vms.get(known.vm)
    if (vm?.host !== host || known.actual !== 'attached' || seen.has(object)) continue
    found.push({ kind: 'ghost', place, object, detail: 'is recorded as attached', resources: locksOf(volume, view) })
  }
  return found
}

/** One finding per kind of object that is not ours. */
function strangers(place: CensusPlace): readonly Finding[] {
  const counts = new Map<string, number>()
  for (const { kind, owner } of place.items) if (owner === 'foreign') counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts].map(([object, count]) => ({
    kind: 'foreign',
    place: resourceName(place.kind, place.id),
    object,
    detail: `${count} that are not ours`,
    resources: [],
  }))
}

/** Digits of an id that stand in a back end's name: a serial holds 20 of them, so no more can be asked for. */
const SERIAL_DIGITS = 20

/** Structures are named after the volume or snapshot that they serve: they are rightly there while somebody has access. */
function servedSerials(pool: string, view: CensusView): ReadonlySet<string> {
  const exposures = [...view.exposures.values()].filter((known) => known.pool === pool)
  return new Set(exposures.map(({ source }) => serialIn(source)))
}

function pluggedSerials(host: string, view: CensusView): ReadonlySet<string> {
  const disks = [...view.disks].filter(([, { vm }]) => view.vms.get(vm)?.host === host)
  return new Set(disks.map(([volume]) => serialIn(volume)))
}

/** The last id in a text, shortened; '' when there is none. */
function serialIn(text: string): string {
  const found = text.replaceAll('-', '').match(new RegExp(`[0-9a-f]{${SERIAL_DIGITS},}`, 'g'))
  return found?.at(-1)?.slice(0, SERIAL_DIGITS) ?? ''
}
