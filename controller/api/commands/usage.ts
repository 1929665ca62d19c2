import { usageOwnership, usagePeriod, usageTypeOf, usageTypes } from '../../operations/usage.ts'
import { type TagView, tagsOf } from '../../store/queries/pending.ts'
import { listUsage, type UsageRecord } from '../../store/queries/usage.ts'
import { defineCommand, DOMAIN_OPERATORS, OPERATORS, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { cut } from '../paging.ts'
import { date, entity, flag, long, text, uuid } from '../params.ts'
import { field, type Rendered, tagFields } from '../shape.ts'
import { taggedOf } from './listed.ts'
import { shownPath } from './user-shape.ts'

const shape = {
  account: field.string('the user account name'),
  accountid: field.string('the user account Id'),
  domainid: field.string('the domain ID'),
  domain: field.string('the domain the resource is associated with'),
  domainpath: field.string("path of the account's domain"),
  zoneid: field.string('the zone ID'),
  description: field.string('description of the usage record'),
  usage: field.string('usage in hours or pieces, with its unit'),
  usagetype: field.integer('usage type ID'),
  rawusage: field.string('usage as a number'),
  virtualmachineid: field.string('virtual machine ID'),
  name: field.string('name of the volume, virtual machine or snapshot'),
  offeringid: field.string('offering ID'),
  templateid: field.string('template ID'),
  usageid: field.string('id of the resource'),
  type: field.string('resource type: the hypervisor of a virtual machine'),
  size: field.long('bytes of the volume, or of the copy of a snapshot'),
  virtualsize: field.long('bytes of the volume that a snapshot is of'),
  miniops: field.long('IOPS that were guaranteed; an addition to CloudStack'),
  maxiops: field.long('IOPS that were not exceeded for long; an addition to CloudStack'),
  cpunumber: field.long('number of cpu of the virtual machine'),
  memory: field.long('memory of the virtual machine in MiB'),
  startdate: field.date('start of the stretch that the record is about'),
  enddate: field.date('end of the stretch that the record is about'),
  tags: field.list(tagFields, 'the resource tags, with includetags'),
} as const

const list = defineCommand({
  name: 'listUsageRecords',
  kind: 'sync',
  description:
    'Lists what accounts had and did in a period, from the ledger as it stands: a record for each type, thing, and stretch in ' +
    'which the thing did not change. Periods that meet share nothing and miss nothing.',
  roles: [...DOMAIN_OPERATORS, 'read-only-admin'],
  params: {
    startdate: date({ required: true, description: 'start of the period, included' }),
    enddate: date({ required: true, dayEnds: true, description: 'end of the period, excluded; a day is included' }),
    type: long({ description: 'list usage records for the specified usage type: see listUsageTypes' }),
    usageid: uuid({ description: 'list usage records for the specified resource' }),
    accountid: entity('account', { description: 'list usage records for the specified account' }),
    account: text({ description: 'list usage records for the account of that name' }),
    domainid: entity('domain', { description: 'list usage records for the specified domain' }),
    isrecursive: flag({ description: 'with domainid: of the domains below it, too' }),
    projectid: text({ description: '-1 is accepted and means nothing: there are no projects' }),
    includetags: flag({ description: 'answer the tags of resources' }),
    oldformat: flag({ description: 'accepted and means nothing: descriptions have names' }),
  },
  response: { key: 'usagerecord', shape, list: true },
  async run(request) {
    const { params, system, page } = request
    const { startdate, enddate, type, usageid: subject } = params
    const period = usagePeriod(startdate, enddate)
    const ownership = await usageOwnership(request, params)
    const filter = { ownership, ...period, ...given({ subject }) }
    const { reader } = system.store
    const { count, items } = await listUsage(
      reader,
      type === undefined ? filter : { ...filter, type: usageTypeOf(type) },
      page,
    )
    const tags = await tagsOfRecords(reader, params.includetags === true ? items : [])
    return { count, list: items.map((record) => rendered(record, tags.get(record.subject) ?? [])) }
  },
})

/** Of what its type is about. */
const KINDS = [
  { kind: 'UserVm', types: [1, 2] },
  { kind: 'Snapshot', types: [9] },
  { kind: 'Volume', types: [6, 21, 22, 23, 24, 10001, 10002] },
] as const

function kindOf(type: number): string {
  return KINDS.find(({ types }) => types.some((one) => one === type))?.kind ?? ''
}

async function tagsOfRecords(
  reader: Parameters<typeof tagsOf>[0],
  records: readonly UsageRecord[],
): Promise<ReadonlyMap<string, readonly TagView[]>> {
  const bySubject = KINDS.map(async ({ kind }) =>
    tagsOf(reader, kind, [...new Set(records.filter(({ type }) => kindOf(type) === kind).map((one) => one.subject))]),
  )
  return new Map((await Promise.all(bySubject)).flatMap((found) => [...found]))
}

function rendered(record: UsageRecord, tags: readonly TagView[]): Rendered<typeof shape> {
  return {
    account: record.accountName,
    accountid: record.accountId,
    domainid: record.domainId,
    domain: record.domainName,
    domainpath: shownPath(record.domainPath),
    zoneid: record.zoneId,
    description: described(record),
    ...amountOf(record),
    usagetype: record.type,
    virtualmachineid: record.vmId,
    name: record.name,
    offeringid: record.offeringId,
    templateid: record.templateId,
    usageid: record.subject,
    type: record.hypervisor,
    size: record.bytes,
    virtualsize: record.virtualBytes,
    miniops: record.minIops,
    maxiops: record.maxIops,
    cpunumber: record.cpus,
    memory: record.memoryBytes === null ? null : Math.round(record.memoryBytes / 2 ** 20),
    startdate: record.since,
    enddate: record.till,
    ...(tags.length === 0 ? {} : { tags: taggedOf({ ...record, id: record.subject, tags }, kindOf(record.type)) }),
  }
}

const HOUR_MICROS = 3_600_000_000

function amountOf({ type, amount, rate, micros }: UsageRecord): Rendered<typeof shape> {
  const raw = amount ?? (rate * micros) / HOUR_MICROS
  const shown = String(Number(raw.toFixed(6)))
  return { usage: `${shown} ${UNITS[type] ?? 'Hrs'}`, rawusage: String(raw) }
}

const UNITS: Readonly<Record<number, string>> = {
  21: 'io read',
  22: 'io write',
  23: 'bytes read',
  24: 'bytes write',
  10001: 'IOPS Hrs',
  10002: 'IOPS Hrs',
}

const WHAT: Readonly<Record<number, string>> = {
  1: 'running time',
  2: 'allocated',
  6: 'Volume usage',
  9: 'Snapshot usage',
  21: 'disk I/O read (io requests)',
  22: 'disk I/O write (io requests)',
  23: 'disk I/O read (bytes)',
  24: 'disk I/O write (bytes)',
  10001: 'guaranteed IOPS',
  10002: 'highest IOPS',
}

function described({ type, name, subject, offeringName, bytes }: UsageRecord): string {
  const offering = offeringName === null ? '' : ` with offering ${offeringName}`
  const size = bytes === null ? '' : ` and size ${bytes}`
  return `${WHAT[type]} for ${name ?? 'nameless'} (${subject})${offering}${size}`
}

const types = defineCommand({
  name: 'listUsageTypes',
  kind: 'sync',
  description: 'Lists the types of usage that are recorded; those from 10001 on are additions to CloudStack.',
  roles: [...OPERATORS, 'read-only-admin'],
  params: {},
  response: {
    key: 'usagetype',
    list: true,
    shape: {
      id: field.integer('usage type ID'),
      name: field.string('usage type name'),
      description: field.string('usage type description'),
    },
  },
  run: async ({ page }) => ({ list: cut(usageTypes(), page), count: usageTypes().length }),
})

const generate = defineCommand({
  name: 'generateUsageRecords',
  kind: 'sync',
  description:
    'Succeeds without doing anything: records are made from the ledger when they are listed, and are always up to date; I/O ' +
    'counters are read every five minutes.',
  roles: OPERATORS,
  params: {
    startdate: date({ description: 'start of the period' }),
    enddate: date({ description: 'end of the period' }),
    domainid: entity('domain', { description: 'the domain' }),
  },
  response: SUCCESS,
  async run({ params: { startdate, enddate } }) {
    if (startdate && enddate) usagePeriod(startdate, enddate)
    return { success: true, displaytext: 'Usage records are made when they are listed' }
  },
})

/** The commands about usage. */
export const usageCommands = [list, types, generate] as const
