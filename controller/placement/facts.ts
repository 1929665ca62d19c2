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
  readonly volumes: number
  /** What may be promised before the factor: the operator's cap, else what the array reports. */
  readonly capBytes: number
  readonly bytesFactor: number
  readonly reservedBytes: number
  /** Absent: the pool counts no IOPS. */
  readonly capIops?: number
  readonly iopsFactor: number
  readonly reservedIops: number
}

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
  /** Facets without which the request cannot be served. */
  readonly needs: readonly StorageCapability[]
}
