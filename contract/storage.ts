import type { Call, Page } from './call.ts'
import type { AccessMode, Connection, Protocol, Reach } from './connection.ts'
import type { HostId, SnapshotId, VolumeId } from './ids.ts'
import type { AppliedQos, Qos, QosCapability } from './qos.ts'
import type { Endpoint, SettingSpec } from './settings.ts'

/** What a vendor ships for one kind of array. Opened once per registered pool. */
export interface StoragePlugin {
  readonly kind: 'storage'
  /** Name in `listStorageProviders` and `createStoragePool provider=`. */
  readonly name: string
  readonly title: string
  /** Version of the contract it was written for. */
  readonly contract: 1
  /** `dedicated`: one back-end volume per volume. `shared`: volumes are carved from a LUN made at registration. */
  readonly shape: 'dedicated' | 'shared'
  /** `always`: the pool is managed whatever the operator says. */
  readonly managed: 'always' | 'optional'
  /** URL schemes it answers to, without colon. */
  readonly schemes: readonly string[]
  readonly protocols: readonly Protocol[]
  readonly settings: readonly SettingSpec[]
  readonly offeringSettings: readonly SettingSpec[]
  /** Makes a provider bound to one pool. No I/O; throws `INVALID` naming the setting that is wrong. */
  open(endpoint: Endpoint): StorageProvider
}

/**
 * What a withdrawal does to a session that its consumer still has open. `ends-sessions`: nothing that is written in it
 * afterwards reaches the source. `host-must-detach`: the back end has no hold on open sessions, so that access may be
 * withdrawn only from a consumer that has let go, or is proven dead; a lost host's volumes stay where they are.
 */
export const WITHDRAWALS = ['ends-sessions', 'host-must-detach'] as const
/** A name in `WITHDRAWALS`. */
export type Withdrawal = (typeof WITHDRAWALS)[number]

/** Limits as data. Bytes are safe integers. Absent: no limit. */
export interface StorageLimits {
  readonly minVolumeBytes: number
  readonly maxVolumeBytes: number
  /** Volume sizes are rounded up to a multiple of this. */
  readonly granularityBytes: number
  readonly maxVolumes?: number
  readonly maxSnapshotsPerVolume?: number
  /** True when deleting the source of a clone must wait for the clone. */
  readonly cloneDependsOnParent: boolean
  /** What a withdrawal does to a session that is still open. Absent: `ends-sessions`. */
  readonly withdrawal?: Withdrawal
  /** Consumers that may have one source read-write at the same time; one more is refused as `LIMIT`. */
  readonly maxWriters?: number
  readonly qos?: QosCapability
}

/** One registered pool of an array. A capability is a facet that is there; the registry derives `can` from it. */
export interface StorageProvider {
  readonly limits: StorageLimits
  readonly pools: PoolFacet
  readonly volumes: VolumeFacet
  readonly access: AccessFacet
  readonly inventory: InventoryFacet
  readonly snapshots?: SnapshotFacet
  readonly groupSnapshots?: GroupSnapshotFacet
  readonly clones?: CloneFacet
  readonly resize?: ResizeFacet
  readonly qos?: QosFacet
  readonly revert?: RevertFacet
  readonly changeList?: ChangeListFacet
  readonly stats?: StatsFacet
}

/** Facets of a storage provider that may be absent. */
export const STORAGE_CAPABILITIES = [
  'snapshots',
  'groupSnapshots',
  'clones',
  'resize',
  'qos',
  'revert',
  'changeList',
  'stats',
] as const satisfies readonly (keyof StorageProvider)[]
/** A name in `STORAGE_CAPABILITIES`. */
export type StorageCapability = (typeof STORAGE_CAPABILITIES)[number]

/** The state of a pool as its array reports it. Bytes and operations per second; `iops` absent: the array keeps none. */
export interface PoolReport {
  /** Stable identity of the pool on its array: two registrations with the same identity are the same pool. */
  readonly identity: string
  readonly totalBytes: number
  readonly usedBytes: number
  readonly iops?: number
  readonly version: string
  /** How consumers get there; absent: nobody can tell before there is a connection. */
  readonly reach?: Reach
}

/** Mandatory facet: what the pool is. */
export interface PoolFacet {
  /** Proves address and credentials. Throws `UNAVAILABLE`, `TIMEOUT` or `DENIED`, effect `none`. */
  report(call: Call): Promise<PoolReport>
}

/** What to make. The back-end name derives from `id`, and the ownership mark of the endpoint is set on it. */
export interface VolumeSpec {
  readonly id: VolumeId
  readonly bytes: number
  readonly qos: Qos
  /** Values by `offeringSettings` name. */
  readonly settings: Readonly<Record<string, string>>
}

/** A back-end volume as it is. */
export interface BackendVolume {
  readonly id: VolumeId
  /** Name on the back end, for operators; CloudStack's `path`. */
  readonly name: string
  readonly bytes: number
  readonly usedBytes: number
  /** Absent when the provider has no `qos` facet. */
  readonly qos?: AppliedQos
}

/** Mandatory facet: volumes. */
export interface VolumeFacet {
  /**
   * Idempotent on `spec.id`: asked again it returns the same volume; asked with another size or source it throws
   * `CONFLICT`, effect `none`. A size outside the limits throws `LIMIT`; a full pool `NO_SPACE`. Late duplicates are
   * refused by fence after a delete with a higher one.
   */
  create(spec: VolumeSpec, call: Call): Promise<BackendVolume>
  /** What is there; `undefined` when nothing is. Settles lost answers. */
  get(id: VolumeId, call: Call): Promise<BackendVolume | undefined>
  /**
   * Deleting what is not there succeeds. Throws `IN_USE` while it is exposed; fenced per volume. Snapshots of the
   * volume outlive it where the provider can keep them, else `IN_USE`.
   */
  delete(id: VolumeId, call: Call): Promise<void>
}

/** What a consumer reads or writes. */
export type Source =
  | { readonly kind: 'volume'; readonly id: VolumeId }
  | { readonly kind: 'snapshot'; readonly id: SnapshotId }

/** Who reads or writes. `initiator` is the name under which it logs in. */
export interface Consumer {
  readonly kind: 'host' | 'mover'
  readonly id: HostId
  readonly initiator: string
}

/** Access of one consumer to one source. `account` groups CHAP credentials. Snapshots are exposed read-only. */
export interface Exposure {
  readonly source: Source
  readonly consumer: Consumer
  readonly mode: AccessMode
  readonly account: string
}

/** Mandatory facet: who may reach what. */
export interface AccessFacet {
  /**
   * Idempotent per (source, consumer): asked again it returns the same connection; with another mode, `CONFLICT`. Throws
   * `LIMIT`, effect `none`, for a writer above `limits.maxWriters`. Fenced per source: a late duplicate must not give
   * access back after it was withdrawn.
   */
  expose(exposure: Exposure, call: Call): Promise<Connection>
  /**
   * Complete only when an existing session of the consumer can no longer write to the source: access rule gone and session
   * ended. Withdrawing what was not given succeeds. Fenced per source. Where `limits.withdrawal` is `host-must-detach` it is
   * asked only once the consumer has let go; a provider that sees that it has not throws `BUSY`, effect `none`.
   */
  withdraw(access: Pick<Exposure, 'source' | 'consumer'>, call: Call): Promise<void>
}

/** One object on the back end. `ours`: carries this installation's mark and the id; else `foreign`. */
export type InventoryItem = {
  /** Name on the back end. */
  readonly name: string
  /** Bytes as provisioned; 0 where the object has no size of its own. */
  readonly bytes: number
  /** Epoch milliseconds; absent when the back end does not know. */
  readonly createdAt?: number
} & (
  | {
      readonly kind: 'volume'
      readonly owner: 'ours'
      readonly id: VolumeId
      /** What `QosFacet.read` would answer; absent: to be asked for there. Spares a large array a call for each volume. */
      readonly qos?: Qos
    }
  | { readonly kind: 'snapshot'; readonly owner: 'ours'; readonly id: SnapshotId; readonly volume: VolumeId }
  | {
      readonly kind: 'exposure'
      readonly owner: 'ours'
      readonly source: Source
      readonly consumer: HostId
      /** As it is enforced; absent when the back end does not tell. */
      readonly mode?: AccessMode
    }
  /**
   * Something that serves a volume and should not outlive it: a target, a mount, a throttle. `stale`: the back end itself
   * knows that it serves nobody; absent, it is stale when nobody is recorded to have access to the volume in its name.
   */
  | { readonly kind: 'structure'; readonly owner: 'ours'; readonly id: string; readonly stale?: true }
  | { readonly kind: 'volume' | 'snapshot' | 'exposure' | 'structure'; readonly owner: 'foreign' }
)

/** Mandatory facet: everything that is there, ours and foreign. Without it neither a census nor a lost answer settles. */
export interface InventoryFacet {
  list(cursor: string | undefined, call: Call): Promise<Page<InventoryItem>>
  /**
   * Removes a structure of ours, by the id under which `list` shows it. Looks again first: `IN_USE`, effect `none`, when it
   * serves somebody after all. Removing what is not there succeeds. Absent: the back end cannot, or never has any.
   */
  remove?(structure: string, call: Call): Promise<void>
}

/** A snapshot as the back end holds it. */
export interface BackendSnapshot {
  readonly id: SnapshotId
  readonly volume: VolumeId
  readonly name: string
  /** Size of the volume at that point. */
  readonly bytes: number
  /** Bytes held by the snapshot alone, as far as the back end knows; else 0. */
  readonly usedBytes: number
  /** Epoch milliseconds of the point in time. */
  readonly takenAt: number
}

/** Optional facet: snapshots on the array. A snapshot never changes once taken. */
export interface SnapshotFacet {
  /** Idempotent on `id`: asked again it returns the first point in time; for another volume, `CONFLICT`. */
  create(spec: { readonly id: SnapshotId; readonly volume: VolumeId }, call: Call): Promise<BackendSnapshot>
  get(id: SnapshotId, call: Call): Promise<BackendSnapshot | undefined>
  /** Deleting what is not there succeeds. Throws `IN_USE` while exposed or while a dependent clone needs it. */
  delete(id: SnapshotId, call: Call): Promise<void>
}

/** Optional facet: one instant for several volumes, in two phases so that several arrays can join one window. */
export interface GroupSnapshotFacet {
  readonly maxVolumes: number
  /** Checks and readies; holds for `call.deadline` at most, then aborts by itself. Asked again with other members, `CONFLICT`. */
  prepare(
    group: string,
    members: readonly { readonly id: SnapshotId; readonly volume: VolumeId }[],
    call: Call,
  ): Promise<void>
  /** Takes all at one instant or none. Idempotent on `group`. */
  commit(group: string, call: Call): Promise<readonly BackendSnapshot[]>
  /** Succeeds for a group that was never prepared; after a commit it takes nothing back. */
  abort(group: string, call: Call): Promise<void>
}

/** Optional facet: a new volume with the bytes of a source. */
export interface CloneFacet {
  /** Idempotent on `spec.id`; a `spec.bytes` below the source's throws `INVALID`. */
  clone(from: Source, spec: VolumeSpec, call: Call): Promise<BackendVolume>
}

/** Optional facet: growth. */
export interface ResizeFacet {
  /**
   * Idempotent; never shrinks (`INVALID`). Consumers see the new size after their own refresh; where hosts must detach
   * (`limits.withdrawal`) it may be `IN_USE` while exposed.
   */
  grow(id: VolumeId, bytes: number, call: Call): Promise<BackendVolume>
}

/** Optional facet: QoS at the array. */
export interface QosFacet {
  /** Sets the whole vector and reads it back from where it is enforced. Fenced per volume. */
  apply(id: VolumeId, qos: Qos, call: Call): Promise<AppliedQos>
  /** What is enforced now, read where it is enforced. */
  read(id: VolumeId, call: Call): Promise<Qos>
}

/** Optional facet: put a volume back to one of its snapshots, in place. Fenced per volume; `IN_USE` while exposed. */
export interface RevertFacet {
  revert(volume: VolumeId, to: SnapshotId, call: Call): Promise<BackendVolume>
}

/** A run of bytes that differs from `base` (or holds anything, without a base). */
export interface Extent {
  readonly offset: number
  readonly length: number
  readonly kind: 'data' | 'zero'
}

/** Optional facet: what changed between two snapshots of one volume. */
export interface ChangeListFacet {
  extents(
    range: { readonly base?: SnapshotId; readonly snapshot: SnapshotId; readonly cursor?: string },
    call: Call,
  ): Promise<Page<Extent>>
}

/** Counters that never go down while a volume lives, whatever restarts. */
export interface VolumeStats {
  readonly readOps: number
  readonly writeOps: number
  readonly readBytes: number
  readonly writeBytes: number
  /** Epoch milliseconds of the reading. */
  readonly at: number
}

/** Optional facet: I/O counters at the array. */
export interface StatsFacet {
  read(id: VolumeId, call: Call): Promise<VolumeStats>
}
