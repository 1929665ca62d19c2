import { poolsThatCan } from '../../operations/capabilities.ts'
import type { System } from '../../operations/context.ts'
import { type VolumeView, volumeViews } from '../../store/queries/volumes.ts'
import { field, pendingFields, type Rendered, tagFields } from '../shape.ts'
import { pendingOn, percent, taggedOf } from './listed.ts'
import { shownPath } from './user-shape.ts'

const admin = { admin: true } as const

/** A volume as CloudStack answers it, and what Moorage knows besides. Absent: not attached, not placed, not limited. */
export const volumeShape = {
  id: field.string('ID of the disk volume'),
  name: field.string('name of the disk volume'),
  zoneid: field.string('ID of the availability zone'),
  zonename: field.string('name of the availability zone'),
  type: field.string('type of the disk volume (ROOT or DATADISK)'),
  deviceid: field.long('the ID of the device on the virtual machine to which the disk is attached'),
  virtualmachineid: field.string('id of the virtual machine'),
  vmname: field.string('name of the virtual machine'),
  vmdisplayname: field.string('display name of the virtual machine'),
  vmstate: field.string('state of the virtual machine'),
  vmtype: field.string('type of the virtual machine'),
  provisioningtype: field.string('provisioning type used to create volumes'),
  size: field.long('size of the disk volume in bytes'),
  miniops: field.long('IOPS that are guaranteed'),
  maxiops: field.long('IOPS that are not exceeded for long'),
  burstiops: field.long('IOPS that may be reached for a while when credit was saved'),
  created: field.date('the date the disk volume was created'),
  state: field.string('the state of the disk volume'),
  account: field.string('the account associated with the disk volume'),
  domainid: field.string('the ID of the domain associated with the disk volume'),
  domain: field.string('the domain associated with the disk volume'),
  domainpath: field.string('path of the domain'),
  storagetype: field.string('shared or local storage'),
  diskBytesReadRate: field.long('bytes read rate of the disk volume'),
  diskBytesWriteRate: field.long('bytes write rate of the disk volume'),
  diskIopsReadRate: field.long('io requests read rate of the disk volume'),
  diskIopsWriteRate: field.long('io requests write rate of the disk volume'),
  diskkbsread: field.long('KiB read from it so far, some minutes late; never goes down'),
  diskkbswrite: field.long('KiB written to it so far, likewise'),
  diskioread: field.long('read requests to it so far, likewise'),
  diskiowrite: field.long('write requests to it so far, likewise'),
  hypervisor: field.string('hypervisor of the virtual machine; None when it is not attached'),
  diskofferingid: field.string('ID of the disk offering'),
  diskofferingname: field.string('name of the disk offering'),
  diskofferingdisplaytext: field.string('the display text of the disk offering'),
  serviceofferingid: field.string('ID of the service offering on whose terms a root disk was made'),
  serviceofferingname: field.string('name of that service offering'),
  serviceofferingdisplaytext: field.string('the display text of that service offering'),
  templateid: field.string('the ID of the template that a root disk was made from'),
  templatename: field.string('the name of that template'),
  templatedisplaytext: field.string('the display text of that template'),
  storage: field.string('name of the primary storage hosting the disk volume', admin),
  storageid: field.string('id of the primary storage hosting the disk volume', admin),
  snapshotid: field.string('ID of the snapshot from which this volume was created'),
  attached: field.date('the date the volume was attached to a VM instance'),
  destroyed: field.boolean('true when it is destroyed: recoverable or not'),
  isextractable: field.boolean('true if the volume can be downloaded'),
  displayvolume: field.boolean('false when only operators see it'),
  path: field.string('name of the volume on its array', admin),
  chaininfo: field.string('the chain info of the volume', admin),
  quiescevm: field.boolean('true when snapshots of it can wait for the guest'),
  supportsstoragesnapshot: field.boolean('true if storage snapshot is supported for the volume'),
  physicalsize: field.long('bytes that it takes on its array'),
  virtualsize: field.long('bytes that it may take at most'),
  utilization: field.string('the one in per cent of the other'),
  clusterid: field.string('cluster id of the pool', admin),
  clustername: field.string('cluster name of the pool', admin),
  podid: field.string('pod id of the pool', admin),
  podname: field.string('pod name of the pool', admin),
  tags: field.list(tagFields, 'the list of resource tags'),
  qostier: field.string('who enforces its QoS: storage, hypervisor or none; any until it is placed'),
  qosrequested: field.map('the QoS vector asked for: per axis min, max, burst (per second) and burstSeconds'),
  qosapplied: field.map('the QoS vector as it was applied; differs from the request where that could not be kept'),
  qosobserved: field.map('the QoS vector as it was read back last from where it is enforced'),
  qosobservedat: field.date('when it was read back'),
  locationstate: field.string('intended, present or deleting on its array; absent while it lives nowhere', admin),
  provider: field.string('storage provider of its pool', admin),
  missingtags: field.string('tags of its disk offering that its pool does not carry, separated by commas', admin),
  device: field.string('name of the disk on its host', admin),
  ...pendingFields,
} as const

/** A volume as the API answers it. */
export type RenderedVolume = Rendered<typeof volumeShape>

/** Volumes as the API answers them; `render` leaves out what the caller must not see. */
export async function renderVolumes(system: System, views: readonly VolumeView[]): Promise<readonly RenderedVolume[]> {
  const snapshotting = await poolsThatCan(
    system,
    'snapshots',
    views.map(({ poolId }) => poolId),
  )
  return views.map((view) => ({
    ...identity(view),
    ...place(view),
    ...attachment(view),
    ...qos(view),
    ...io(view),
    supportsstoragesnapshot: view.poolId !== null && snapshotting.has(view.poolId),
    tags: taggedOf(view, 'Volume'),
    ...pendingOn(view),
  }))
}

/** One volume by id, expunged ones too; `undefined` when there is none. */
export async function renderVolume(system: System, id: string): Promise<RenderedVolume | undefined> {
  return (await renderVolumes(system, await volumeViews(system.store.reader, [id])))[0]
}

const DESTROYED = new Set(['Destroy', 'Expunging', 'Expunged'])

function identity(view: VolumeView): RenderedVolume {
  return {
    id: view.id,
    name: view.name,
    zoneid: view.zoneId,
    zonename: view.zoneName,
    type: view.type,
    size: view.bytes,
    created: view.createdAt,
    state: view.state,
    account: view.accountName,
    domainid: view.domainId,
    domain: view.domainName,
    domainpath: shownPath(view.domainPath),
    provisioningtype: view.provisioningType,
    ...sold(view),
    templateid: view.templateId,
    templatename: view.templateName,
    templatedisplaytext: view.templateText,
    snapshotid: view.sourceSnapshotId,
    destroyed: DESTROYED.has(view.state),
    isextractable: false,
    displayvolume: view.display,
    chaininfo: view.chainInfo,
    quiescevm: false,
  }
}

/** A root disk is sold with its VM, unless it has been given a disk offering since. */
function sold({ type, offeringKind, offeringId, offeringName, offeringText }: VolumeView): RenderedVolume {
  if (type === 'ROOT' && offeringKind === 'service') {
    const [serviceofferingid, serviceofferingname] = [offeringId, offeringName]
    return { serviceofferingid, serviceofferingname, serviceofferingdisplaytext: offeringText }
  }
  return { diskofferingid: offeringId, diskofferingname: offeringName, diskofferingdisplaytext: offeringText }
}

function place(view: VolumeView): RenderedVolume {
  return {
    storagetype: view.poolScope === 'HOST' ? 'local' : 'shared',
    storage: view.poolName,
    storageid: view.poolId,
    path: view.path,
    provider: view.provider,
    missingtags: missingTags(view) || null,
    locationstate: view.locationState,
    physicalsize: view.usedBytes,
    virtualsize: view.locationBytes,
    utilization: view.usedBytes === null ? null : percent(view.usedBytes, view.locationBytes ?? 0),
    clusterid: view.clusterId,
    clustername: view.clusterName,
    podid: view.podId,
    podname: view.podName,
  }
}

function missingTags({ offeringTags, poolTags }: VolumeView): string {
  return (offeringTags ?? []).filter((tag) => poolTags !== null && !poolTags.includes(tag)).join(',')
}

function attachment(view: VolumeView): RenderedVolume {
  return {
    hypervisor: view.vmHypervisor ?? 'None',
    deviceid: view.deviceId,
    virtualmachineid: view.vmId,
    vmname: view.vmName,
    vmdisplayname: view.vmDisplayName,
    vmstate: view.vmState,
    vmtype: view.vmId === null ? null : 'User',
    attached: view.attachedAt,
    device: view.device,
  }
}

function qos(view: VolumeView): RenderedVolume {
  const { totalIops, readIops, writeIops, readBytes, writeBytes } = view.qosRequested
  return {
    miniops: totalIops?.min,
    maxiops: totalIops?.max,
    burstiops: totalIops?.burst,
    diskIopsReadRate: readIops?.max,
    diskIopsWriteRate: writeIops?.max,
    diskBytesReadRate: readBytes?.max,
    diskBytesWriteRate: writeBytes?.max,
    qostier: view.locationTier ?? view.qosTier,
    qosrequested: view.qosRequested,
    qosapplied: view.qosApplied,
    qosobserved: view.qosObserved,
    qosobservedat: view.qosObservedAt,
  }
}

/** Absent until it is a disk of a VM for the first time. */
function io({ readOps, writeOps, readBytes, writeBytes }: VolumeView): RenderedVolume {
  return {
    diskkbsread: readBytes === null ? null : Math.floor(readBytes / 1024),
    diskkbswrite: writeBytes === null ? null : Math.floor(writeBytes / 1024),
    diskioread: readOps,
    diskiowrite: writeOps,
  }
}
