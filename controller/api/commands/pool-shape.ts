import { capabilitiesOf } from '../../operations/capabilities.ts'
import type { System } from '../../operations/context.ts'
import type { PoolView } from '../../store/queries/pools.ts'
import { field, pendingFields, type Rendered } from '../shape.ts'
import { pendingOn } from './listed.ts'

/** A storage pool as CloudStack answers it. Bytes; IOPS per second. */
export const poolShape = {
  id: field.string('the ID of the storage pool'),
  zoneid: field.string('the Zone ID of the storage pool'),
  zonename: field.string('the Zone name of the storage pool'),
  podid: field.string('the Pod ID of the storage pool'),
  podname: field.string('the Pod name of the storage pool'),
  clusterid: field.string('the ID of the cluster for the storage pool'),
  clustername: field.string('the name of the cluster for the storage pool'),
  name: field.string('the name of the storage pool'),
  ipaddress: field.string('the host in the URL of the storage pool'),
  path: field.string('the path in the URL of the storage pool'),
  created: field.date('the date and time the storage pool was created'),
  type: field.string('the storage pool type: how hosts reach its volumes'),
  scope: field.string('the scope of the storage pool'),
  hypervisor: field.string('the hypervisor whose hosts use it; Any when all do'),
  disksizetotal: field.long('bytes that may be promised'),
  disksizeallocated: field.long('bytes that are promised to volumes'),
  disksizeused: field.long('bytes in use on the array, by its last report'),
  capacitybytes: field.long('bytes that the operator lets be promised; absent: all that the array has'),
  capacityiops: field.long('IOPS that may be promised'),
  allocatediops: field.long('IOPS that are promised to volumes'),
  capacityvolumes: field.long('volumes that the operator lets it take; absent: as many as the array makes'),
  volumes: field.long('volumes that live there, or are about to'),
  foreignvolumes: field.long('volumes on the array that are not ours, by the last census'),
  foreignbytes: field.long('bytes of those: they count where capacitybytes is absent'),
  iopsfloor: field.long(
    'IOPS charged for a volume to which none are guaranteed; foreign ones count where capacityiops was not set',
  ),
  unboundedvolumes: field.boolean('whether it takes volumes without a maximum'),
  capacitydisablethreshold: field.string(
    'share of what the array has that is written, from which nothing new is taken',
  ),
  allocatedcapacitydisablethreshold: field.string('share of what may be promised, up to which new volumes are taken'),
  tags: field.string('the tags for the storage pool'),
  state: field.string('the state of the storage pool'),
  overprovisionfactor: field.string('how many times its bytes may be promised'),
  iopsoverprovisionfactor: field.string('how many times its IOPS may be promised'),
  provider: field.string('storage provider of the pool'),
  managed: field.boolean('whether each volume has a volume of its own on the array'),
  storagecapabilities: field.map('what its provider can do: the facets that are there'),
  details: field.map('settings of the provider; none that is secret'),
  qosdrift: field.string('what is done about limits that were changed outside of Moorage: report or repair'),
  reported: field.date('when the array reported last'),
  ...pendingFields,
} as const

/** CloudStack's pool types, by the protocol over which hosts reach volumes. */
const TYPES: Readonly<Record<string, string>> = {
  iscsi: 'Iscsi',
  rbd: 'RBD',
  nbd: 'NetworkFilesystem',
  file: 'Filesystem',
}

/** Pools as the API answers them. */
export async function renderPools(
  system: System,
  views: readonly PoolView[],
): Promise<readonly Rendered<typeof poolShape>[]> {
  return Promise.all(
    views.map(async (view) => ({ ...identity(system, view), ...(await abilities(system, view)), ...ledger(view) })),
  )
}

function identity(system: System, view: PoolView): Rendered<typeof poolShape> {
  const url = new URL(view.url)
  const protocol = system.plugins.storage.get(view.provider)?.protocols[0]
  return {
    id: view.id,
    zoneid: view.zoneId,
    zonename: view.zoneName,
    podid: view.podId,
    podname: view.podName,
    clusterid: view.clusterId,
    clustername: view.clusterName,
    name: view.name,
    ipaddress: url.hostname,
    path: url.pathname,
    created: view.createdAt,
    type: protocol === undefined ? null : TYPES[protocol],
    scope: view.scope,
    hypervisor: view.hypervisor ?? 'Any',
    tags: view.tags.join(','),
    state: view.state,
    provider: view.provider,
    managed: view.managed,
    details: view.settings,
    qosdrift: view.qosDrift,
    reported: view.reportedAt,
    ...pendingOn(view),
  }
}

function ledger(view: PoolView): Rendered<typeof poolShape> {
  return {
    disksizetotal: view.capacityBytes ?? view.totalBytes,
    disksizeallocated: view.reservedBytes,
    disksizeused: view.usedBytes,
    capacitybytes: view.capacityBytes,
    capacityiops: view.capacityIops ?? view.totalIops,
    allocatediops: view.reservedIops,
    capacityvolumes: view.capacityVolumes,
    volumes: view.reservedVolumes,
    foreignvolumes: view.foreignVolumes,
    foreignbytes: view.foreignBytes,
    iopsfloor: view.floorIops,
    unboundedvolumes: !view.boundedOnly,
    capacitydisablethreshold: String(view.usedThreshold),
    allocatedcapacitydisablethreshold: String(view.allocatedThreshold),
    overprovisionfactor: String(view.bytesFactor),
    iopsoverprovisionfactor: String(view.iopsFactor),
  }
}

async function abilities(system: System, view: PoolView): Promise<Rendered<typeof poolShape>> {
  const can = await capabilitiesOf(system, view.id)
  return { storagecapabilities: Object.fromEntries([...can].map((facet) => [facet, 'true'])) }
}
