import type { QosCapability, StorageCapability } from '@moorage/contract'
import { GIB } from '../domain/size.ts'
import type { HostFacts, PlacementRequest, PoolFacts } from './facts.ts'

const ARRAY: QosCapability = {
  axes: ['totalIops'],
  parts: ['min', 'max', 'burst', 'burstSeconds'],
  iops: { min: 50, max: 100_000 },
  ioBytes: 'fixed',
}
const THROTTLE: QosCapability = { axes: ['totalIops', 'totalBytes'], parts: ['max'], ioBytes: 'none' }

/** A zone-wide array, Up and empty: 100 GiB, 10,000 IOPS. */
export const POOL: PoolFacts = {
  id: 'a',
  name: 'array-a',
  state: 'Up',
  scope: 'ZONE',
  zoneId: 'zone',
  clusterId: null,
  hostId: null,
  hypervisor: null,
  tags: [],
  protocols: ['iscsi'],
  can: new Set<StorageCapability>(['qos', 'snapshots']),
  limits: {
    minVolumeBytes: GIB,
    maxVolumeBytes: 100 * GIB,
    granularityBytes: GIB,
    cloneDependsOnParent: false,
    qos: ARRAY,
  },
  volumes: 0,
  foreignVolumes: 0,
  foreignBytes: 0,
  foreignIops: 0,
  allocatedThreshold: 1,
  totalBytes: 100 * GIB,
  usedBytes: 0,
  usedThreshold: 1,
  floorIops: 0,
  boundedOnly: false,
  termsFrom: {},
  capBytes: 100 * GIB,
  bytesFactor: 1,
  reservedBytes: 0,
  capIops: 10_000,
  iopsFactor: 1,
  reservedIops: 0,
}
/** A host that reaches it and throttles. */
export const HOST: HostFacts = {
  id: 'host',
  name: 'host',
  zoneId: 'zone',
  clusterId: 'cluster',
  hypervisor: 'KVM',
  accepts: ['iscsi'],
  limits: { maxDisksPerVm: 16, qos: THROTTLE },
  can: new Set(['throttle'] as const),
  cutOff: new Set(),
}
/** 10 GiB without QoS. */
export const REQUEST: PlacementRequest = {
  zoneId: 'zone',
  bytes: 10 * GIB,
  qos: {},
  wantedTier: 'any',
  tags: [],
  hosts: [HOST],
  needs: [],
}
