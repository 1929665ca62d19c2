import type { Call, QosCapability, Source } from '@moorage/contract'
import { type Fields, fields, label, oneOf, text, uuid, whole } from '../check.ts'
import type { Store } from '../store.ts'

/** Volume sizes are rounded up to it; also the smallest volume. */
export const GRANULARITY_BYTES = 1024 * 1024
/** The largest volume: half of what one file may hold on ext4 with blocks of 4 KiB. */
const LARGEST_VOLUME_BYTES = 8 * 1024 ** 4
/** QoS that every simulated array keeps: all axes, all parts, IOPS clamped into a range. */
export const ARRAY_QOS: QosCapability = {
  axes: ['totalIops', 'readIops', 'writeIops', 'totalBytes', 'readBytes', 'writeBytes'],
  parts: ['min', 'max', 'burst', 'burstSeconds'],
  iops: { min: 50, max: 200_000 },
  ioBytes: 'free',
}

/** An array as it is stored. */
export interface ArrayRow {
  readonly name: string
  readonly totalBytes: number
  /** Provisioned bytes of its volumes; snapshots live in a reserve of their own. */
  readonly usedBytes: number
  readonly iops: number
  readonly volumes: number
  readonly maxVolumes: number
  readonly maxVolumeBytes: number
  readonly maxSnapshotsPerVolume: number
  /** Items of one page of the inventory. */
  readonly pageItems: number
}

/** One call to one array, as one owner. */
export interface ArrayRequest {
  readonly store: Store
  readonly array: ArrayRow
  readonly owner: string
  readonly args: Fields
  readonly call: Call
}

/**
 * Method `arrays/define`: makes an array, or changes its totals and limits; what is not named keeps its value. Volumes
 * that exceed a limit by then stay. Idempotent.
 */
export function defineArray(store: Store, args: Fields): ArrayRow {
  const array = ensureArray(store, { name: label(args['array'], 'array') })
  const limits = args['limits'] === undefined ? {} : fields(args['limits'], 'limits')
  const number = (from: Fields, name: Exclude<keyof ArrayRow, 'name'>) =>
    from[name] === undefined ? array[name] : whole(from[name], name, 1)
  store.run(
    `UPDATE arrays SET totalBytes = ?, iops = ?, maxVolumes = ?, maxVolumeBytes = ?, maxSnapshotsPerVolume = ?,
      pageItems = ? WHERE name = ?`,
    number(args, 'totalBytes'),
    number(args, 'iops'),
    number(limits, 'maxVolumes'),
    number(limits, 'maxVolumeBytes'),
    number(limits, 'maxSnapshotsPerVolume'),
    number(limits, 'pageItems'),
    array.name,
  )
  return ensureArray(store, { name: array.name })
}

/** The array of a name, made with defaults when it is named for the first time. */
export function ensureArray(
  store: Store,
  wanted: { readonly name: string; readonly totalBytes?: number; readonly iops?: number },
): ArrayRow {
  const found = findArray(store, wanted.name)
  if (found) return found
  const { name, totalBytes = 64 * 1024 ** 4, iops = 500_000 } = wanted
  store.run(
    `INSERT INTO arrays(name, totalBytes, iops, maxVolumes, maxVolumeBytes, maxSnapshotsPerVolume, pageItems)
      VALUES (?, ?, ?, 200000, ?, 32, 500)`,
    name,
    totalBytes,
    iops,
    LARGEST_VOLUME_BYTES,
  )
  return ensureArray(store, { name })
}

function findArray(store: Store, name: string): ArrayRow | undefined {
  return store.one<ArrayRow>('SELECT * FROM arrays WHERE name = ?', name)
}

/** Reads who calls which array from the context that comes with every call. */
export function arrayRequest(store: Store, args: Fields, call: Call): ArrayRequest {
  const number = (name: string) => (args[name] === undefined ? undefined : whole(Number(args[name]), name, 1))
  const totalBytes = number('totalbytes')
  const iops = number('iops')
  const array = ensureArray(store, {
    name: label(args['array'], 'array'),
    ...(totalBytes !== undefined && { totalBytes }),
    ...(iops !== undefined && { iops }),
  })
  return { store, array, owner: text(args['owner'], 'owner'), args, call }
}

/** Ends the address of every portal. */
const PORT = ':3260'

/** Address of the portal of an array; it leads to the array inside this process and nowhere else. */
export function portalOf(array: string): string {
  return `${array}${PORT}`
}

/** The array at a portal; `undefined` where nothing listens. */
export function arrayAt(store: Store, portal: string): ArrayRow | undefined {
  return portal.endsWith(PORT) ? findArray(store, portal.slice(0, -PORT.length)) : undefined
}

/** Method `pools/report`. */
export function reportPool({ store, array }: ArrayRequest): object {
  return {
    identity: `simulator/${store.instance}/${array.name}`,
    totalBytes: array.totalBytes,
    usedBytes: array.usedBytes,
    iops: array.iops,
    version: 'simulator 1',
    reach: { via: 'iscsi', portals: [portalOf(array.name)] },
  }
}

/** Reads a `Source`. */
export function readSource(value: unknown, name: string): Source {
  const given = fields(value, name)
  const kind = oneOf(given['kind'], `${name}.kind`, ['volume', 'snapshot'])
  return kind === 'volume'
    ? { kind, id: uuid(given['id'], `${name}.id`) }
    : { kind, id: uuid(given['id'], `${name}.id`) }
}

/** A source as one word, in keys and fences. */
export function sourceKey(source: Source): string {
  return `${source.kind}/${source.id}`
}
