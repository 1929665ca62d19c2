import type {
  HypervisorCapability,
  HypervisorLimits,
  Protocol,
  Qos,
  StorageCapability,
  StorageLimits,
} from '@moorage/contract'
import type { WantedTier } from '../domain/qos.ts'

/** A pool as placement sees it: its row, and what its provider says of itself. Bytes and IOPS. */
export interface PoolFacts {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly scope: 'ZONE' | 'CLUSTER' | 'HOST'
  readonly zoneId: string
  readonly clusterId: string | null
  readonly hostId: string | null
  /** Hypervisor that a zone-wide pool is kept for; null: any. */
  readonly hypervisor: string | null
  readonly tags: readonly string[]
  readonly protocols: readonly Protocol[]
  readonly can: ReadonlySet<StorageCapability>
  readonly limits: StorageLimits
  /** Present when its plug-in cannot be used on this controller: why, and whether that may pass. For operators. */
  readonly closed?: { readonly why: string; readonly forNow: boolean }
  /** Slots: reserved by ours, taken by others, and the most that the operator allows. */
  readonly volumes: number
  readonly foreignVolumes: number
  readonly capVolumes?: number
  /** What may be promised before the factor: the operator's cap, else what the array reports. */
  readonly capBytes: number
  readonly bytesFactor: number
  readonly reservedBytes: number
  /** Bytes of objects that are not ours; 0 where the cap is the operator's, which is ours alone. IOPS likewise. */
  readonly foreignBytes: number
  /** Share of cap x factor that may be promised to new volumes. */
  readonly allocatedThreshold: number
  /** What the array has and what is written there, by its last report, and the share from which it takes nothing new. */
  readonly totalBytes: number
  readonly usedBytes: number
  readonly usedThreshold: number
  /** Absent: the pool counts no IOPS. */
  readonly capIops?: number
  readonly iopsFactor: number
  readonly reservedIops: number
  readonly foreignIops: number
  /** IOPS charged for a volume to which none are guaranteed. */
  readonly floorIops: number
  /** True when it takes only volumes that have a maximum. */
  readonly boundedOnly: boolean
  /** Where each term was set; absent: nowhere, it is the usual one. */
  readonly termsFrom: Readonly<Partial<Record<PoolTerm, TermScope>>>
}

/** A term of a pool's ledger that a setting decides. */
export type PoolTerm =
  | 'bytesFactor'
  | 'iopsFactor'
  | 'usedThreshold'
  | 'allocatedThreshold'
  | 'floorIops'
  | 'boundedOnly'
/** How near to the pool a setting was set. */
export type TermScope = 'pool' | 'zone' | 'global'

/** A host as placement sees it. */
export interface HostFacts {
  readonly id: string
  readonly name: string
  readonly zoneId: string
  readonly clusterId: string
  readonly hypervisor: string
  readonly accepts: readonly Protocol[]
  readonly limits: HypervisorLimits
  readonly can: ReadonlySet<HypervisorCapability>
  /** Pools to which it said that it does not get, whatever their scope. */
  readonly cutOff: ReadonlySet<string>
  /** Absent: not asked for, as where a VM does not run yet. */
  readonly ledger?: HostLedger
}

/** What a host may promise to the disks that it throttles itself, and has promised. IOPS, bytes per second; absent: no limit. */
export interface HostLedger {
  readonly capIops?: number
  readonly capRate?: number
  readonly factor: number
  readonly chargedIops: number
  readonly chargedRate: number
}

/** Where a volume should be put. */
export interface PlacementRequest {
  readonly zoneId: string
  readonly bytes: number
  readonly qos: Qos
  readonly wantedTier: WantedTier
  /** Tags of the offering: the pool must carry all of them. */
  readonly tags: readonly string[]
  /** Hosts of which at least one must reach the pool. Absent: nobody reads the volume yet. */
  readonly hosts?: readonly HostFacts[]
  /** The volume is made from something that lives in this pool, so it must live there too. */
  readonly pool?: string
  /** Fewer bytes will not do: those of what it is made from. */
  readonly leastBytes?: number
  /** It is filled from an archive: absent, nobody has to fill it. */
  readonly filling?: {
    /** The protocols of each mover that gets to the archive. */
    readonly movers: readonly (readonly string[])[]
    /** Pools in which it is a clone of a seed instead. */
    readonly seeds: ReadonlySet<string>
  }
  /**
   * Differs from volume to volume. Given, of pools whose scores differ by less than a hundredth each volume prefers another, so that
   * many at once do not wait for the same pool's row. Absent: the best score alone decides.
   */
  readonly spread?: string
  /** Facets without which the request cannot be served. */
  readonly needs: readonly StorageCapability[]
}
