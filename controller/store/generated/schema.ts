import type { Generated, GeneratedAlways, Selectable } from 'kysely'

// Generated from store/migrations: do not edit.

/** Row of table `installation`. */
export interface InstallationTable {
  one: Generated<boolean>
  id: string
  keyCheck: Buffer | null
  createdAt: Generated<Date>
}

/** Row of table `zone`. */
export interface ZoneTable {
  id: string
  seq: GeneratedAlways<number>
  name: string
  allocationState: Generated<string>
  networkType: Generated<string>
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `pod`. */
export interface PodTable {
  id: string
  seq: GeneratedAlways<number>
  zoneId: string
  name: string
  allocationState: Generated<string>
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `cluster`. */
export interface ClusterTable {
  id: string
  seq: GeneratedAlways<number>
  zoneId: string
  podId: string
  name: string
  hypervisor: string
  allocationState: Generated<string>
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `host`. */
export interface HostTable {
  id: string
  seq: GeneratedAlways<number>
  zoneId: string
  podId: string
  clusterId: string
  name: string
  plugin: string
  hypervisor: string
  url: string
  settings: unknown
  sealedSettings: Buffer
  identity: string
  initiator: string
  cpus: number
  memoryBytes: number
  version: string
  state: Generated<string>
  resourceState: Generated<string>
  tags: Generated<string[]>
  lastSeenAt: Date | null
  createdAt: Generated<Date>
  removedAt: Date | null
  silentSince: Date | null
  lostAt: Date | null
  dead: Generated<boolean>
  operationId: string | null
  capacityIops: number | null
  capacityRate: number | null
  qosFactor: Generated<number>
}

/** Row of table `domain`. */
export interface DomainTable {
  id: string
  seq: GeneratedAlways<number>
  parentId: string | null
  name: string
  path: string
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `account`. */
export interface AccountTable {
  id: string
  seq: GeneratedAlways<number>
  domainId: string
  name: string
  role: 'admin' | 'domain-admin' | 'user' | 'read-only-admin'
  state: Generated<string>
  chapAccount: string
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `principal`. */
export interface PrincipalTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string
  username: string
  firstname: Generated<string>
  lastname: Generated<string>
  email: Generated<string>
  passwordHash: string
  apiKey: string | null
  sealedSecretKey: Buffer | null
  state: Generated<string>
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `session`. */
export interface SessionTable {
  id: string
  sessionKey: string
  principalId: string
  createdAt: Generated<Date>
  usedAt: Generated<Date>
}

/** Row of table `pool`. */
export interface PoolTable {
  id: string
  seq: GeneratedAlways<number>
  zoneId: string
  podId: string | null
  clusterId: string | null
  scope: 'ZONE' | 'CLUSTER' | 'HOST'
  hostId: string | null
  name: string
  provider: string
  url: string
  managed: boolean
  hypervisor: string | null
  settings: unknown
  sealedSettings: Buffer
  identity: string
  state: string
  tags: Generated<string[]>
  totalBytes: number
  usedBytes: number
  totalIops: number | null
  capacityBytes: number | null
  capacityIops: number | null
  bytesFactor: Generated<number>
  iopsFactor: Generated<number>
  reservedBytes: Generated<number>
  reservedIops: Generated<number>
  operationId: string | null
  reportedAt: Date | null
  unreachableSince: Date | null
  createdAt: Generated<Date>
  removedAt: Date | null
  foreignBytes: Generated<number>
  termsFrom: Generated<unknown>
  usedThreshold: Generated<number>
  allocatedThreshold: Generated<number>
  floorIops: Generated<number>
  boundedOnly: Generated<boolean>
  reservedVolumes: Generated<number>
  foreignVolumes: Generated<number>
  capacityVolumes: number | null
  qosDrift: Generated<'report' | 'repair'>
}

/** Row of table `offering`. */
export interface OfferingTable {
  id: string
  seq: GeneratedAlways<number>
  kind: 'disk' | 'service'
  name: string
  displayText: string
  bytes: number | null
  customized: Generated<boolean>
  qos: unknown
  qosTier: 'storage' | 'hypervisor' | 'any' | 'none'
  qosKind: Generated<'fixed' | 'customized'>
  settings: Generated<unknown>
  tags: Generated<string[]>
  hostTags: Generated<string[]>
  cpus: number | null
  cpuMhz: number | null
  memoryBytes: number | null
  provisioningType: Generated<string>
  hypervisorSnapshotReserve: number | null
  createdAt: Generated<Date>
  removedAt: Date | null
  ha: Generated<boolean>
  qosPerGib: unknown | null
}

/** Row of table `template`. */
export interface TemplateTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string
  zoneId: string | null
  name: string
  displayText: string
  format: string
  hypervisor: string
  url: string
  image: string
  bytes: number
  checksum: string
  osType: Generated<string>
  public: Generated<boolean>
  featured: Generated<boolean>
  createdAt: Generated<Date>
  removedAt: Date | null
  archiveId: string | null
  state: Generated<'Creating' | 'Ready' | 'Failed'>
  failure: string | null
  operationId: string | null
  dataBytes: Generated<number>
}

/** Row of table `vm`. */
export interface VmTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string
  zoneId: string
  name: string
  displayName: string
  offeringId: string
  templateId: string | null
  hypervisor: string
  hostId: string | null
  lastHostId: string | null
  state: string
  generation: Generated<number>
  cpus: number
  memoryBytes: number
  userData: string | null
  parkedByPoolId: string | null
  operationId: string | null
  createdAt: Generated<Date>
  destroyedAt: Date | null
  removedAt: Date | null
  targetHostId: string | null
  ha: Generated<boolean>
  restartWanted: Generated<boolean>
  networkIds: Generated<string[]>
}

/** Row of table `volume`. */
export interface VolumeTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string
  zoneId: string
  name: string
  type: 'ROOT' | 'DATADISK'
  offeringId: string | null
  bytes: number
  qosTier: 'storage' | 'hypervisor' | 'any' | 'none'
  qosRequested: unknown
  qosApplied: unknown | null
  qosObserved: unknown | null
  qosObservedAt: Date | null
  qosAlerted: unknown | null
  settings: Generated<unknown>
  state: string
  generation: Generated<number>
  sourceSnapshotId: string | null
  customId: Generated<boolean>
  chainInfo: string | null
  display: Generated<boolean>
  operationId: string | null
  createdAt: Generated<Date>
  destroyedAt: Date | null
  removedAt: Date | null
  templateId: string | null
}

/** Row of table `location`. */
export interface LocationTable {
  volumeId: string
  poolId: string
  state: 'intended' | 'present' | 'deleting'
  name: string | null
  bytes: number
  usedBytes: Generated<number>
  qosTier: 'storage' | 'hypervisor' | 'none'
  createdAt: Generated<Date>
}

/** Row of table `attachment`. */
export interface AttachmentTable {
  volumeId: string
  vmId: string
  deviceId: number
  generation: number
  desired: 'attached' | 'detached'
  actual: 'attached' | 'detached' | 'unknown'
  device: string | null
  attachedAt: Date | null
  createdAt: Generated<Date>
  chargedIops: Generated<number>
  chargedRate: Generated<number>
}

/** Row of table `connection`. */
export interface ConnectionTable {
  sourceKind: 'volume' | 'snapshot'
  sourceId: string
  hostId: string
  poolId: string
  generation: number
  mode: string
  state: 'intended' | 'given' | 'withdrawing'
  sealed: Buffer | null
  createdAt: Generated<Date>
  consumerKind: Generated<'host' | 'mover'>
}

/** Row of table `snapshot`. */
export interface SnapshotTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string
  zoneId: string
  volumeId: string
  name: string
  state: string
  bytes: number
  takenAt: Date | null
  operationId: string | null
  createdAt: Generated<Date>
  removedAt: Date | null
  policyId: string | null
  intervalType: string | null
}

/** Row of table `snapshot_copy`. */
export interface SnapshotCopyTable {
  id: string
  snapshotId: string
  kind: 'array' | 'archive'
  poolId: string | null
  name: string | null
  bytes: Generated<number>
  state: 'intended' | 'present' | 'deleting' | 'gone'
  createdAt: Generated<Date>
  archiveId: string | null
  base: Generated<boolean>
}

/** Row of table `reservation`. */
export interface ReservationTable {
  volumeId: string
  poolId: string
  bytes: number
  iops: number
  createdAt: Generated<Date>
  beforeBytes: number | null
  beforeIops: number | null
  second: Generated<boolean>
}

/** Row of table `tag`. */
export interface TagTable {
  resourceType: string
  resourceId: string
  accountId: string
  key: string
  value: string
}

/** Row of table `configuration`. */
export interface ConfigurationTable {
  name: string
  scope: Generated<string>
  scopeId: Generated<string>
  value: string
  updatedAt: Generated<Date>
}

/** Row of table `event`. */
export interface EventTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string | null
  principalId: string | null
  type: string
  level: string
  state: string
  description: string
  resourceKind: string | null
  resourceId: string | null
  operationId: string | null
  createdAt: Generated<Date>
  archived: Generated<boolean>
}

/** Row of table `census_finding`. */
export interface CensusFindingTable {
  id: string
  seq: GeneratedAlways<number>
  kind: 'orphan' | 'ghost' | 'drifted' | 'duplicated' | 'stale' | 'foreign'
  place: string
  object: string
  detail: Generated<string>
  state: 'open' | 'ignored' | 'recycled' | 'gone'
  firstSeenAt: Generated<Date>
  lastSeenAt: Generated<Date>
  runId: string
  class: Generated<string>
  bytes: number | null
  resources: Generated<string[]>
  reason: string | null
  ignoredUntil: Date | null
  recycledAt: Date | null
  resolution: string | null
}

/** Row of table `operation`. */
export interface OperationTable {
  id: string
  seq: GeneratedAlways<number>
  saga: string
  version: number
  lane: number
  state: 'queued' | 'running' | 'undoing' | 'succeeded' | 'failed' | 'aborted'
  input: unknown
  resources: string[]
  accountId: string | null
  principalId: string | null
  command: string
  subjectKind: string | null
  subjectId: string | null
  node: string | null
  fence: Generated<number>
  leaseUntil: Date | null
  step: string | null
  attempt: Generated<number>
  retryAt: Date | null
  undoFrom: string | null
  progress: unknown | null
  failure: unknown | null
  abortAsked: Generated<boolean>
  takeovers: Generated<number>
  createdAt: Generated<Date>
  startedAt: Date | null
  endedAt: Date | null
  trace: string | null
}

/** Row of table `operation_lock`. */
export interface OperationLockTable {
  resource: string
  operationId: string
}

/** Row of table `operation_wait`. */
export interface OperationWaitTable {
  resource: string
  seq: number
  operationId: string
}

/** Row of table `operation_step`. */
export interface OperationStepTable {
  operationId: string
  ordinal: number
  name: string
  state: 'done' | 'undone'
  result: unknown | null
  endedAt: Generated<Date>
}

/** Row of table `operation_log`. */
export interface OperationLogTable {
  seq: GeneratedAlways<number>
  operationId: string
  at: Generated<Date>
  kind: string
  step: string | null
  node: string | null
  fence: number | null
  detail: Generated<unknown>
}

/** Row of table `node`. */
export interface NodeTable {
  id: string
  startedAt: Generated<Date>
  seenAt: Generated<Date>
  address: Generated<string>
}

/** Row of table `resource_limit`. */
export interface ResourceLimitTable {
  ownerId: string
  limited: string
  most: number
}

/** Row of table `audit_record`. */
export interface AuditRecordTable {
  seq: GeneratedAlways<number>
  at: Generated<Date>
  node: string
  request: string
  accountId: string | null
  account: string
  principalId: string | null
  username: string
  source: string
  command: string
  params: string
  outcome: 'done' | 'accepted' | 'refused' | 'failed'
  code: number | null
  text: string
  operationId: string | null
  mac: Buffer
  position: number | null
  previous: Buffer | null
  hash: Buffer | null
}

/** Row of table `audit_chain`. */
export interface AuditChainTable {
  one: Generated<boolean>
  basePosition: number
  baseHash: Buffer
  headPosition: number
  headHash: Buffer
  mac: Buffer
}

/** Row of table `census_seen`. */
export interface CensusSeenTable {
  run: string
  place: string
  object: string
  class: string | null
  kind: string | null
  detail: string | null
  resources: string[] | null
  bytes: number | null
  observed: unknown | null
}

/** Row of table `pool_reach`. */
export interface PoolReachTable {
  poolId: string
  hostId: string
  reached: boolean
  why: string
  since: Generated<Date>
  askedAt: Generated<Date>
}

/** Row of table `stand_in`. */
export interface StandInTable {
  id: string
  seq: GeneratedAlways<number>
  kind: string
  accountId: string | null
  zoneId: string | null
  name: Generated<string>
  attributes: unknown
  createdAt: Generated<Date>
}

/** Row of table `usage_open`. */
export interface UsageOpenTable {
  kind: 'vm-running' | 'vm-allocated' | 'volume' | 'snapshot'
  partId: string
  subjectId: string
  accountId: string
  zoneId: string
  offeringId: string | null
  templateId: string | null
  bytes: number | null
  minIops: number | null
  maxIops: number | null
  cpus: number | null
  memoryBytes: number | null
  since: Date
}

/** Row of table `usage_span`. */
export interface UsageSpanTable {
  seq: GeneratedAlways<number>
  kind: string
  partId: string
  subjectId: string
  accountId: string
  zoneId: string
  offeringId: string | null
  templateId: string | null
  bytes: number | null
  minIops: number | null
  maxIops: number | null
  cpus: number | null
  memoryBytes: number | null
  since: Date
  till: Date
}

/** Row of table `volume_io`. */
export interface VolumeIoTable {
  volumeId: string
  readOps: Generated<number>
  writeOps: Generated<number>
  readBytes: Generated<number>
  writeBytes: Generated<number>
  source: Generated<string>
  rawReadOps: Generated<number>
  rawWriteOps: Generated<number>
  rawReadBytes: Generated<number>
  rawWriteBytes: Generated<number>
  live: Generated<boolean>
  readings: Generated<number>
  readAt: Generated<Date>
}

/** Row of table `usage_io`. */
export interface UsageIoTable {
  seq: GeneratedAlways<number>
  volumeId: string
  vmId: string | null
  accountId: string
  zoneId: string
  at: Date
  readOps: number
  writeOps: number
  readBytes: number
  writeBytes: number
}

/** Row of table `resource_detail`. */
export interface ResourceDetailTable {
  resourceType: string
  resourceId: string
  key: string
  value: string
  display: Generated<boolean>
}

/** Row of table `archive`. */
export interface ArchiveTable {
  id: string
  seq: GeneratedAlways<number>
  zoneId: string
  name: string
  provider: string
  url: string
  settings: unknown
  sealedSettings: Buffer
  identity: string
  sealedKey: Buffer | null
  chunkBytes: number
  conditionalPut: 'atomic' | 'none'
  readOnly: Generated<boolean>
  totalBytes: number | null
  usedBytes: number | null
  capacityBytes: number | null
  reportedAt: Date | null
  unreachableSince: Date | null
  createdAt: Generated<Date>
  removedAt: Date | null
  collectInterval: number | null
  drillInterval: number | null
}

/** Row of table `mover`. */
export interface MoverTable {
  id: string
  seq: GeneratedAlways<number>
  zoneId: string
  name: string
  url: string
  settings: unknown
  sealedSettings: Buffer
  identity: string
  initiator: string
  accepts: string[]
  archives: string[]
  version: string
  reportedAt: Date | null
  unreachableSince: Date | null
  createdAt: Generated<Date>
  removedAt: Date | null
}

/** Row of table `snapshot_policy`. */
export interface SnapshotPolicyTable {
  id: string
  seq: GeneratedAlways<number>
  accountId: string
  volumeId: string
  intervalType: 'HOURLY' | 'DAILY' | 'WEEKLY' | 'MONTHLY'
  schedule: string
  timezone: string
  maxSnaps: number
  keepDays: Generated<number>
  keepWeeks: Generated<number>
  keepMonths: Generated<number>
  keepYears: Generated<number>
  delay: Generated<number>
  nextAt: Date
  createdAt: Generated<Date>
  location: Generated<'PRIMARY' | 'SECONDARY'>
  maxPrimary: Generated<number>
  display: Generated<boolean>
}

/** Row of table `archive_upkeep`. */
export interface ArchiveUpkeepTable {
  archiveId: string
  kind: 'collect' | 'drill'
  endedAt: Generated<Date>
  tookMs: number
  bytes: number
  objects: number | null
  waiting: number | null
  damaged: number | null
  snapshotId: string | null
  note: string | null
}

/** Row of table `seed`. */
export interface SeedTable {
  templateId: string
  poolId: string
  volumeId: string
  snapshotId: string
  createdAt: Generated<Date>
}

/** The columns of each table, in their order. */
export const COLUMNS = {
  installation: ['one', 'id', 'keyCheck', 'createdAt'],
  zone: ['id', 'seq', 'name', 'allocationState', 'networkType', 'createdAt', 'removedAt'],
  pod: ['id', 'seq', 'zoneId', 'name', 'allocationState', 'createdAt', 'removedAt'],
  cluster: ['id', 'seq', 'zoneId', 'podId', 'name', 'hypervisor', 'allocationState', 'createdAt', 'removedAt'],
  host: [
    'id',
    'seq',
    'zoneId',
    'podId',
    'clusterId',
    'name',
    'plugin',
    'hypervisor',
    'url',
    'settings',
    'sealedSettings',
    'identity',
    'initiator',
    'cpus',
    'memoryBytes',
    'version',
    'state',
    'resourceState',
    'tags',
    'lastSeenAt',
    'createdAt',
    'removedAt',
    'silentSince',
    'lostAt',
    'dead',
    'operationId',
    'capacityIops',
    'capacityRate',
    'qosFactor',
  ],
  domain: ['id', 'seq', 'parentId', 'name', 'path', 'createdAt', 'removedAt'],
  account: ['id', 'seq', 'domainId', 'name', 'role', 'state', 'chapAccount', 'createdAt', 'removedAt'],
  principal: [
    'id',
    'seq',
    'accountId',
    'username',
    'firstname',
    'lastname',
    'email',
    'passwordHash',
    'apiKey',
    'sealedSecretKey',
    'state',
    'createdAt',
    'removedAt',
  ],
  session: ['id', 'sessionKey', 'principalId', 'createdAt', 'usedAt'],
  pool: [
    'id',
    'seq',
    'zoneId',
    'podId',
    'clusterId',
    'scope',
    'hostId',
    'name',
    'provider',
    'url',
    'managed',
    'hypervisor',
    'settings',
    'sealedSettings',
    'identity',
    'state',
    'tags',
    'totalBytes',
    'usedBytes',
    'totalIops',
    'capacityBytes',
    'capacityIops',
    'bytesFactor',
    'iopsFactor',
    'reservedBytes',
    'reservedIops',
    'operationId',
    'reportedAt',
    'unreachableSince',
    'createdAt',
    'removedAt',
    'foreignBytes',
    'termsFrom',
    'usedThreshold',
    'allocatedThreshold',
    'floorIops',
    'boundedOnly',
    'reservedVolumes',
    'foreignVolumes',
    'capacityVolumes',
    'qosDrift',
  ],
  offering: [
    'id',
    'seq',
    'kind',
    'name',
    'displayText',
    'bytes',
    'customized',
    'qos',
    'qosTier',
    'qosKind',
    'settings',
    'tags',
    'hostTags',
    'cpus',
    'cpuMhz',
    'memoryBytes',
    'provisioningType',
    'hypervisorSnapshotReserve',
    'createdAt',
    'removedAt',
    'ha',
    'qosPerGib',
  ],
  template: [
    'id',
    'seq',
    'accountId',
    'zoneId',
    'name',
    'displayText',
    'format',
    'hypervisor',
    'url',
    'image',
    'bytes',
    'checksum',
    'osType',
    'public',
    'featured',
    'createdAt',
    'removedAt',
    'archiveId',
    'state',
    'failure',
    'operationId',
    'dataBytes',
  ],
  vm: [
    'id',
    'seq',
    'accountId',
    'zoneId',
    'name',
    'displayName',
    'offeringId',
    'templateId',
    'hypervisor',
    'hostId',
    'lastHostId',
    'state',
    'generation',
    'cpus',
    'memoryBytes',
    'userData',
    'parkedByPoolId',
    'operationId',
    'createdAt',
    'destroyedAt',
    'removedAt',
    'targetHostId',
    'ha',
    'restartWanted',
    'networkIds',
  ],
  volume: [
    'id',
    'seq',
    'accountId',
    'zoneId',
    'name',
    'type',
    'offeringId',
    'bytes',
    'qosTier',
    'qosRequested',
    'qosApplied',
    'qosObserved',
    'qosObservedAt',
    'qosAlerted',
    'settings',
    'state',
    'generation',
    'sourceSnapshotId',
    'customId',
    'chainInfo',
    'display',
    'operationId',
    'createdAt',
    'destroyedAt',
    'removedAt',
    'templateId',
  ],
  location: ['volumeId', 'poolId', 'state', 'name', 'bytes', 'usedBytes', 'qosTier', 'createdAt'],
  attachment: [
    'volumeId',
    'vmId',
    'deviceId',
    'generation',
    'desired',
    'actual',
    'device',
    'attachedAt',
    'createdAt',
    'chargedIops',
    'chargedRate',
  ],
  connection: [
    'sourceKind',
    'sourceId',
    'hostId',
    'poolId',
    'generation',
    'mode',
    'state',
    'sealed',
    'createdAt',
    'consumerKind',
  ],
  snapshot: [
    'id',
    'seq',
    'accountId',
    'zoneId',
    'volumeId',
    'name',
    'state',
    'bytes',
    'takenAt',
    'operationId',
    'createdAt',
    'removedAt',
    'policyId',
    'intervalType',
  ],
  snapshotCopy: ['id', 'snapshotId', 'kind', 'poolId', 'name', 'bytes', 'state', 'createdAt', 'archiveId', 'base'],
  reservation: ['volumeId', 'poolId', 'bytes', 'iops', 'createdAt', 'beforeBytes', 'beforeIops', 'second'],
  tag: ['resourceType', 'resourceId', 'accountId', 'key', 'value'],
  configuration: ['name', 'scope', 'scopeId', 'value', 'updatedAt'],
  event: [
    'id',
    'seq',
    'accountId',
    'principalId',
    'type',
    'level',
    'state',
    'description',
    'resourceKind',
    'resourceId',
    'operationId',
    'createdAt',
    'archived',
  ],
  censusFinding: [
    'id',
    'seq',
    'kind',
    'place',
    'object',
    'detail',
    'state',
    'firstSeenAt',
    'lastSeenAt',
    'runId',
    'class',
    'bytes',
    'resources',
    'reason',
    'ignoredUntil',
    'recycledAt',
    'resolution',
  ],
  operation: [
    'id',
    'seq',
    'saga',
    'version',
    'lane',
    'state',
    'input',
    'resources',
    'accountId',
    'principalId',
    'command',
    'subjectKind',
    'subjectId',
    'node',
    'fence',
    'leaseUntil',
    'step',
    'attempt',
    'retryAt',
    'undoFrom',
    'progress',
    'failure',
    'abortAsked',
    'takeovers',
    'createdAt',
    'startedAt',
    'endedAt',
    'trace',
  ],
  operationLock: ['resource', 'operationId'],
  operationWait: ['resource', 'seq', 'operationId'],
  operationStep: ['operationId', 'ordinal', 'name', 'state', 'result', 'endedAt'],
  operationLog: ['seq', 'operationId', 'at', 'kind', 'step', 'node', 'fence', 'detail'],
  node: ['id', 'startedAt', 'seenAt', 'address'],
  resourceLimit: ['ownerId', 'limited', 'most'],
  auditRecord: [
    'seq',
    'at',
    'node',
    'request',
    'accountId',
    'account',
    'principalId',
    'username',
    'source',
    'command',
    'params',
    'outcome',
    'code',
    'text',
    'operationId',
    'mac',
    'position',
    'previous',
    'hash',
  ],
  auditChain: ['one', 'basePosition', 'baseHash', 'headPosition', 'headHash', 'mac'],
  censusSeen: ['run', 'place', 'object', 'class', 'kind', 'detail', 'resources', 'bytes', 'observed'],
  poolReach: ['poolId', 'hostId', 'reached', 'why', 'since', 'askedAt'],
  standIn: ['id', 'seq', 'kind', 'accountId', 'zoneId', 'name', 'attributes', 'createdAt'],
  usageOpen: [
    'kind',
    'partId',
    'subjectId',
    'accountId',
    'zoneId',
    'offeringId',
    'templateId',
    'bytes',
    'minIops',
    'maxIops',
    'cpus',
    'memoryBytes',
    'since',
  ],
  usageSpan: [
    'seq',
    'kind',
    'partId',
    'subjectId',
    'accountId',
    'zoneId',
    'offeringId',
    'templateId',
    'bytes',
    'minIops',
    'maxIops',
    'cpus',
    'memoryBytes',
    'since',
    'till',
  ],
  volumeIo: [
    'volumeId',
    'readOps',
    'writeOps',
    'readBytes',
    'writeBytes',
    'source',
    'rawReadOps',
    'rawWriteOps',
    'rawReadBytes',
    'rawWriteBytes',
    'live',
    'readings',
    'readAt',
  ],
  usageIo: ['seq', 'volumeId', 'vmId', 'accountId', 'zoneId', 'at', 'readOps', 'writeOps', 'readBytes', 'writeBytes'],
  resourceDetail: ['resourceType', 'resourceId', 'key', 'value', 'display'],
  archive: [
    'id',
    'seq',
    'zoneId',
    'name',
    'provider',
    'url',
    'settings',
    'sealedSettings',
    'identity',
    'sealedKey',
    'chunkBytes',
    'conditionalPut',
    'readOnly',
    'totalBytes',
    'usedBytes',
    'capacityBytes',
    'reportedAt',
    'unreachableSince',
    'createdAt',
    'removedAt',
    'collectInterval',
    'drillInterval',
  ],
  mover: [
    'id',
    'seq',
    'zoneId',
    'name',
    'url',
    'settings',
    'sealedSettings',
    'identity',
    'initiator',
    'accepts',
    'archives',
    'version',
    'reportedAt',
    'unreachableSince',
    'createdAt',
    'removedAt',
  ],
  snapshotPolicy: [
    'id',
    'seq',
    'accountId',
    'volumeId',
    'intervalType',
    'schedule',
    'timezone',
    'maxSnaps',
    'keepDays',
    'keepWeeks',
    'keepMonths',
    'keepYears',
    'delay',
    'nextAt',
    'createdAt',
    'location',
    'maxPrimary',
    'display',
  ],
  archiveUpkeep: [
    'archiveId',
    'kind',
    'endedAt',
    'tookMs',
    'bytes',
    'objects',
    'waiting',
    'damaged',
    'snapshotId',
    'note',
  ],
  seed: ['templateId', 'poolId', 'volumeId', 'snapshotId', 'createdAt'],
} as const satisfies { readonly [Table in keyof Database]: readonly (keyof Database[Table])[] }

/** All tables, for Kysely with the camel-case plug-in. */
export interface Database {
  installation: InstallationTable
  zone: ZoneTable
  pod: PodTable
  cluster: ClusterTable
  host: HostTable
  domain: DomainTable
  account: AccountTable
  principal: PrincipalTable
  session: SessionTable
  pool: PoolTable
  offering: OfferingTable
  template: TemplateTable
  vm: VmTable
  volume: VolumeTable
  location: LocationTable
  attachment: AttachmentTable
  connection: ConnectionTable
  snapshot: SnapshotTable
  snapshotCopy: SnapshotCopyTable
  reservation: ReservationTable
  tag: TagTable
  configuration: ConfigurationTable
  event: EventTable
  censusFinding: CensusFindingTable
  operation: OperationTable
  operationLock: OperationLockTable
  operationWait: OperationWaitTable
  operationStep: OperationStepTable
  operationLog: OperationLogTable
  node: NodeTable
  resourceLimit: ResourceLimitTable
  auditRecord: AuditRecordTable
  auditChain: AuditChainTable
  censusSeen: CensusSeenTable
  poolReach: PoolReachTable
  standIn: StandInTable
  usageOpen: UsageOpenTable
  usageSpan: UsageSpanTable
  volumeIo: VolumeIoTable
  usageIo: UsageIoTable
  resourceDetail: ResourceDetailTable
  archive: ArchiveTable
  mover: MoverTable
  snapshotPolicy: SnapshotPolicyTable
  archiveUpkeep: ArchiveUpkeepTable
  seed: SeedTable
}

/** `installation` as selected. */
export type InstallationRow = Selectable<InstallationTable>
/** `zone` as selected. */
export type ZoneRow = Selectable<ZoneTable>
/** `pod` as selected. */
export type PodRow = Selectable<PodTable>
/** `cluster` as selected. */
export type ClusterRow = Selectable<ClusterTable>
/** `host` as selected. */
export type HostRow = Selectable<HostTable>
/** `domain` as selected. */
export type DomainRow = Selectable<DomainTable>
/** `account` as selected. */
export type AccountRow = Selectable<AccountTable>
/** `principal` as selected. */
export type PrincipalRow = Selectable<PrincipalTable>
/** `session` as selected. */
export type SessionRow = Selectable<SessionTable>
/** `pool` as selected. */
export type PoolRow = Selectable<PoolTable>
/** `offering` as selected. */
export type OfferingRow = Selectable<OfferingTable>
/** `template` as selected. */
export type TemplateRow = Selectable<TemplateTable>
/** `vm` as selected. */
export type VmRow = Selectable<VmTable>
/** `volume` as selected. */
export type VolumeRow = Selectable<VolumeTable>
/** `location` as selected. */
export type LocationRow = Selectable<LocationTable>
/** `attachment` as selected. */
export type AttachmentRow = Selectable<AttachmentTable>
/** `connection` as selected. */
export type ConnectionRow = Selectable<ConnectionTable>
/** `snapshot` as selected. */
export type SnapshotRow = Selectable<SnapshotTable>
/** `snapshot_copy` as selected. */
export type SnapshotCopyRow = Selectable<SnapshotCopyTable>
/** `reservation` as selected. */
export type ReservationRow = Selectable<ReservationTable>
/** `tag` as selected. */
export type TagRow = Selectable<TagTable>
/** `configuration` as selected. */
export type ConfigurationRow = Selectable<ConfigurationTable>
/** `event` as selected. */
export type EventRow = Selectable<EventTable>
/** `census_finding` as selected. */
export type CensusFindingRow = Selectable<CensusFindingTable>
/** `operation` as selected. */
export type OperationRow = Selectable<OperationTable>
/** `operation_lock` as selected. */
export type OperationLockRow = Selectable<OperationLockTable>
/** `operation_wait` as selected. */
export type OperationWaitRow = Selectable<OperationWaitTable>
/** `operation_step` as selected. */
export type OperationStepRow = Selectable<OperationStepTable>
/** `operation_log` as selected. */
export type OperationLogRow = Selectable<OperationLogTable>
/** `node` as selected. */
export type NodeRow = Selectable<NodeTable>
/** `resource_limit` as selected. */
export type ResourceLimitRow = Selectable<ResourceLimitTable>
/** `audit_record` as selected. */
export type AuditRecordRow = Selectable<AuditRecordTable>
/** `audit_chain` as selected. */
export type AuditChainRow = Selectable<AuditChainTable>
/** `census_seen` as selected. */
export type CensusSeenRow = Selectable<CensusSeenTable>
/** `pool_reach` as selected. */
export type PoolReachRow = Selectable<PoolReachTable>
/** `stand_in` as selected. */
export type StandInRow = Selectable<StandInTable>
/** `usage_open` as selected. */
export type UsageOpenRow = Selectable<UsageOpenTable>
/** `usage_span` as selected. */
export type UsageSpanRow = Selectable<UsageSpanTable>
/** `volume_io` as selected. */
export type VolumeIoRow = Selectable<VolumeIoTable>
/** `usage_io` as selected. */
export type UsageIoRow = Selectable<UsageIoTable>
/** `resource_detail` as selected. */
export type ResourceDetailRow = Selectable<ResourceDetailTable>
/** `archive` as selected. */
export type ArchiveRow = Selectable<ArchiveTable>
/** `mover` as selected. */
export type MoverRow = Selectable<MoverTable>
/** `snapshot_policy` as selected. */
export type SnapshotPolicyRow = Selectable<SnapshotPolicyTable>
/** `archive_upkeep` as selected. */
export type ArchiveUpkeepRow = Selectable<ArchiveUpkeepTable>
/** `seed` as selected. */
export type SeedRow = Selectable<SeedTable>
