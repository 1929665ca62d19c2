import type { Qos, QosAxis } from '@moorage/contract'
import { guaranteedIops, type Tier } from '../domain/qos.ts'

/**
 * IOPS that the ledger charges to a pool for a volume: the minimum that the array guarantees it; where it guarantees none,
 * the pool's floor, since such a volume works there, too.
 */
export function poolIops(tier: Tier, qos: Qos, floorIops: number): number {
  const guaranteed = tier === 'storage' ? guaranteedIops(qos) : 0
  return guaranteed > 0 ? guaranteed : floorIops
}

/** What a disk may draw at most through its host. IOPS and bytes per second; 0: it is not limited in that. */
export interface HostCharge {
  readonly iops: number
  readonly rate: number
}

/** What the ledger charges to a host for a disk that its hypervisor throttles: the disk's maximum, reads and writes together. */
export function hostCharge(throttle: Qos): HostCharge {
  return {
    iops: most(throttle, ['totalIops', 'readIops', 'writeIops']),
    rate: most(throttle, ['totalBytes', 'readBytes', 'writeBytes']),
  }
}

/** True when the vector limits what the volume may take: IOPS, or bytes per second, in both directions. */
export function isBounded(qos: Qos): boolean {
  const both = (total: QosAxis, read: QosAxis, write: QosAxis) =>
    qos[total]?.max !== undefined || (qos[read]?.max !== undefined && qos[write]?.max !== undefined)
  return both('totalIops', 'readIops', 'writeIops') || both('totalBytes', 'readBytes', 'writeBytes')
}

function most(qos: Qos, [total, read, write]: readonly [QosAxis, QosAxis, QosAxis]): number {
  return qos[total]?.max ?? (qos[read]?.max ?? 0) + (qos[write]?.max ?? 0)
}
