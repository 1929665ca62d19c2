import type { QosParameters } from '../../domain/offering.ts'
import type { OfferingView } from '../../store/queries/offerings.ts'
import { choice, flag, integer, long, unsupported } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const MIB = 1024 ** 2
const GIB = 1024 ** 3

/** The QoS of an offering, in CloudStack's fields; and the whole vector. */
const qosFields = {
  miniops: field.long('IOPS that a volume is guaranteed'),
  maxiops: field.long('IOPS that a volume does not exceed for long'),
  iscustomizediops: field.boolean('true if the IOPS are chosen for each volume'),
  miniopspergb: field.long('IOPS that a volume is guaranteed for every GiB begun'),
  lowestminiops: field.long('IOPS that a volume is guaranteed however small it is'),
  highestminiops: field.long('IOPS that a volume is guaranteed at most, however large it is'),
  maxiopspergb: field.long('IOPS that a volume does not exceed for long, for every GiB begun'),
  lowestmaxiops: field.long('the same, however small it is'),
  highestmaxiops: field.long('the same, however large it is'),
  burstiopspergb: field.long('IOPS that may be reached for a while, for every GiB begun'),
  lowestburstiops: field.long('the same, however small the volume is'),
  highestburstiops: field.long('the same, however large the volume is'),
  diskBytesReadRate: field.long('bytes read rate of the disk offering'),
  diskBytesReadRateMax: field.long('burst bytes read rate of the disk offering'),
  diskBytesReadRateMaxLength: field.long('length (in seconds) of the burst'),
  diskBytesWriteRate: field.long('bytes write rate of the disk offering'),
  diskBytesWriteRateMax: field.long('burst bytes write rate of the disk offering'),
  diskBytesWriteRateMaxLength: field.long('length (in seconds) of the burst'),
  diskIopsReadRate: field.long('io requests read rate of the disk offering'),
  diskIopsReadRateMax: field.long('burst io requests read rate of the disk offering'),
  diskIopsReadRateMaxLength: field.long('length (in seconds) of the burst'),
  diskIopsWriteRate: field.long('io requests write rate of the disk offering'),
  diskIopsWriteRateMax: field.long('burst io requests write rate of the disk offering'),
  diskIopsWriteRateMaxLength: field.long('length (in seconds) of the burst'),
  hypervisorsnapshotreserve: field.integer('space kept for hypervisor snapshots, in per cent of the volume'),
  burstiops: field.long('IOPS that may be reached for a while when credit was saved'),
  burstseconds: field.long('for how long'),
  iosize: field.long('bytes to which IOPS are normalised: a larger request counts as several'),
  qostier: field.string('who enforces it: storage, hypervisor, any (storage preferred) or none'),
  qos: field.map('the QoS vector: per axis min, max, burst (per second) and burstSeconds'),
} as const

const headFields = {
  id: field.string('unique ID of the offering'),
  name: field.string('the name of the offering'),
  displaytext: field.string('an alternate display text of the offering'),
  created: field.date('the date this offering was created'),
  provisioningtype: field.string('provisioning type used to create volumes: thin, sparse, fat'),
  storagetype: field.string('the storage type of the offering'),
  state: field.string('state of the offering'),
} as const

/** A disk offering as CloudStack answers it, and what Moorage knows besides. */
export const diskOfferingShape = {
  ...headFields,
  disksize: field.long('the size in GiB; 0 where the caller of createVolume chooses it'),
  iscustomized: field.boolean('true if the size is chosen for each volume'),
  disksizestrictness: field.boolean('true if volumes of it keep its size when they change to another: never'),
  encrypt: field.boolean('true if Moorage encrypts its volumes: never'),
  displayoffering: field.boolean('whether to display the offering to the end user'),
  tags: field.string('the tags that a storage pool must carry, separated by commas'),
  details: field.map('settings for storage providers'),
  ...qosFields,
} as const

/** A service offering as CloudStack answers it, and what Moorage knows besides. */
export const serviceOfferingShape = {
  ...headFields,
  cpunumber: field.integer('the number of CPUs'),
  cpuspeed: field.integer('the clock rate of the CPUs in MHz'),
  memory: field.integer('the memory in MiB'),
  rootdisksize: field.long('size of the root disk in GiB'),
  storagetags: field.string('the tags that the storage pool of the root disk must carry'),
  hosttags: field.string('the tags that a host must carry, separated by commas'),
  iscustomized: field.boolean('true if CPUs and memory are chosen for each virtual machine'),
  issystem: field.boolean('true for offerings of system virtual machines'),
  defaultuse: field.boolean('true for default offerings'),
  offerha: field.boolean('true if virtual machines are restarted elsewhere when their host fails'),
  limitcpuuse: field.boolean('restrict the CPU usage to the committed service offering'),
  isvolatile: field.boolean('true if the root disk is made anew at every reboot'),
  ...qosFields,
} as const

/** A disk offering as the API answers it. */
export function renderDiskOffering(row: OfferingView): Rendered<typeof diskOfferingShape> {
  return {
    ...head(row),
    disksize: (row.bytes ?? 0) / GIB,
    iscustomized: row.customized,
    disksizestrictness: false,
    encrypt: false,
    displayoffering: true,
    tags: row.tags.join(','),
    details: row.settings as Readonly<Record<string, string>>, // Written by createDiskOffering from a map of texts.
    ...qosOf(row),
  }
}

/** A service offering as the API answers it. */
export function renderServiceOffering(row: OfferingView): Rendered<typeof serviceOfferingShape> {
  return {
    ...head(row),
    cpunumber: row.cpus,
    cpuspeed: row.cpuMhz,
    memory: (row.memoryBytes ?? 0) / MIB,
    rootdisksize: row.bytes === null ? null : row.bytes / GIB,
    storagetags: row.tags.join(','),
    hosttags: row.hostTags.join(','),
    iscustomized: false,
    issystem: false,
    defaultuse: false,
    offerha: row.ha,
    limitcpuuse: false,
    isvolatile: false,
    ...qosOf(row),
  }
}

function head(row: OfferingView) {
  return {
    id: row.id,
    name: row.name,
    displaytext: row.displayText,
    created: row.createdAt,
    provisioningtype: row.provisioningType,
    storagetype: 'shared',
    state: row.removedAt === null ? 'Active' : 'Inactive',
  }
}

function qosOf(row: OfferingView) {
  const { qos, perGib = {} } = row
  return {
    miniops: qos.totalIops?.min,
    maxiops: qos.totalIops?.max,
    iscustomizediops: row.qosKind === 'customized',
    miniopspergb: perGib.min?.perGib,
    lowestminiops: perGib.min?.least,
    highestminiops: perGib.min?.most,
    maxiopspergb: perGib.max?.perGib,
    lowestmaxiops: perGib.max?.least,
    highestmaxiops: perGib.max?.most,
    burstiopspergb: perGib.burst?.perGib,
    lowestburstiops: perGib.burst?.least,
    highestburstiops: perGib.burst?.most,
    diskBytesReadRate: qos.readBytes?.max,
    diskBytesReadRateMax: qos.readBytes?.burst,
    diskBytesReadRateMaxLength: qos.readBytes?.burstSeconds,
    diskBytesWriteRate: qos.writeBytes?.max,
    diskBytesWriteRateMax: qos.writeBytes?.burst,
    diskBytesWriteRateMaxLength: qos.writeBytes?.burstSeconds,
    diskIopsReadRate: qos.readIops?.max,
    diskIopsReadRateMax: qos.readIops?.burst,
    diskIopsReadRateMaxLength: qos.readIops?.burstSeconds,
    diskIopsWriteRate: qos.writeIops?.max,
    diskIopsWriteRateMax: qos.writeIops?.burst,
    diskIopsWriteRateMaxLength: qos.writeIops?.burstSeconds,
    hypervisorsnapshotreserve: row.hypervisorSnapshotReserve,
    burstiops: qos.totalIops?.burst,
    burstseconds: qos.totalIops?.burstSeconds,
    iosize: qos.ioBytes,
    qostier: row.qosTier,
    qos,
  }
}

const rate = (what: string) => long({ least: 0, description: `hypervisor QoS: ${what}; 0 is unlimited` })

const perGib = (what: string) =>
  long({ least: 1, most: 1_000_000, description: `storage QoS: IOPS ${what}, for every GiB begun` })
const bound = (what: 'fewest' | 'most', rate: string) =>
  long({ least: 1, most: 1_000_000_000, description: `storage QoS: the ${what} IOPS that ${rate} gives a volume` })

/** QoS parameters of both kinds of offering: hand what was given of them to `qosParameters`. */
export const qosParams = {
  miniops: long({ least: 0, description: 'storage QoS: IOPS to guarantee' }),
  maxiops: long({ least: 0, description: 'storage QoS: IOPS not to exceed for long' }),
  burstiops: long({ least: 0, description: 'storage QoS: IOPS that may be reached for a while' }),
  burstseconds: integer({ least: 0, description: 'storage QoS: for how long, after as long a rest' }),
  miniopspergb: perGib('to guarantee'),
  lowestminiops: bound('fewest', 'miniopspergb'),
  highestminiops: bound('most', 'miniopspergb'),
  maxiopspergb: perGib('not to exceed for long'),
  lowestmaxiops: bound('fewest', 'maxiopspergb'),
  highestmaxiops: bound('most', 'maxiopspergb'),
  burstiopspergb: perGib('that may be reached for a while'),
  lowestburstiops: bound('fewest', 'burstiopspergb'),
  highestburstiops: bound('most', 'burstiopspergb'),
  iosize: long({ least: 512, description: 'storage QoS: bytes to which IOPS are normalised' }),
  customizediops: flag({ description: 'whether the IOPS are chosen for each volume' }),
  qostier: choice(['storage', 'hypervisor', 'any'], {
    description: 'who enforces the QoS; any: the array where it can, else the hypervisor',
  }),
  bytesreadrate: rate('bytes read per second'),
  bytesreadratemax: rate('burst bytes read per second'),
  bytesreadratemaxlength: rate('length of that burst in seconds'),
  byteswriterate: rate('bytes written per second'),
  byteswriteratemax: rate('burst bytes written per second'),
  byteswriteratemaxlength: rate('length of that burst in seconds'),
  iopsreadrate: rate('reads per second'),
  iopsreadratemax: rate('burst reads per second'),
  iopsreadratemaxlength: rate('length of that burst in seconds'),
  iopswriterate: rate('writes per second'),
  iopswriteratemax: rate('burst writes per second'),
  iopswriteratemaxlength: rate('length of that burst in seconds'),
  hypervisorsnapshotreserve: integer({
    least: 0,
    description: 'space for hypervisor snapshots, in per cent of the volume',
  }),
} as const

/** Parameters of both kinds of offering that would make promises which nobody keeps yet. */
export const unkeptByOfferings = {
  domainid: unsupported({ harmless: ['public'], description: 'domains to which the offering is limited' }),
  zoneid: unsupported({ harmless: ['all', '-1'], description: 'zones to which the offering is limited' }),
  cachemode: unsupported({ harmless: ['none'], description: 'how hypervisors cache the disks; none' }),
} as const

/** What was given of `qosParams`. */
export function qosParameters(params: QosParameters): QosParameters {
  const names = Object.keys(qosParams) as readonly (keyof QosParameters)[] // Its keys are those of the type; the reserve is read apart.
  return Object.fromEntries(names.filter((name) => params[name] !== undefined).map((name) => [name, params[name]]))
}
