import { type RawBuilder, sql } from 'kysely'
import type { UsageType } from '../../domain/usage.ts'
import type { Reader } from '../store.ts'
import { type Listed, NO_LIMIT, ofOwner, type Ownership, type Window } from './page.ts'

/** What `listUsageRecords` may ask for; absent fields do not filter. The period is from `since` until just before `till`. */
export interface UsageFilter {
  readonly ownership: Ownership
  readonly since: Date
  readonly till: Date
  readonly type?: UsageType
  /** Volume, VM or snapshot. */
  readonly subject?: string
}

/**
 * What an account had or did of one type in a period: of what is had, one stretch without a change, so that one thing may
 * have several. Its amount is `amount` where it counts pieces, else `rate` for `micros` microseconds.
 */
export interface UsageRecord {
  readonly type: UsageType
  readonly subject: string
  readonly name: string | null
  readonly accountId: string
  readonly accountName: string
  readonly domainId: string
  readonly domainName: string
  readonly domainPath: string
  readonly zoneId: string
  readonly vmId: string | null
  readonly hypervisor: string | null
  readonly offeringId: string | null
  readonly offeringName: string | null
  readonly templateId: string | null
  readonly bytes: number | null
  /** Of the volume that a snapshot is of. */
  readonly virtualBytes: number | null
  readonly minIops: number | null
  readonly maxIops: number | null
  readonly cpus: number | null
  readonly memoryBytes: number | null
  readonly since: Date
  readonly till: Date
  readonly micros: number
  readonly rate: number
  readonly amount: number | null
}

/**
 * Records of a period by type, subject and time. What is had still counts until now. They are counted by type first, so that of the
 * types within the window only that part is read, in the order in which it is told.
 */
export async function listUsage(reader: Reader, filter: UsageFilter, window: Window): Promise<Listed<UsageRecord>> {
  const lengths = await lengthsOf(reader, filter)
  const pages = await Promise.all(partsOf(lengths, window).map((part) => pageOf(reader, filter, part)))
  return { count: lengths.reduce((sum, { n }) => sum + n, 0), items: pages.flat() }
}

/** How many records there are of a type. */
interface Length {
  readonly type: UsageType
  readonly n: number
}

/** What is kept of what is had, under which kind, and what a record of that type counts: IOPS, or pieces. */
const HAD = [
  { type: 1, kind: 'vm-running', rate: sql`1::bigint` },
  { type: 2, kind: 'vm-allocated', rate: sql`1::bigint` },
  { type: 6, kind: 'volume', rate: sql`1::bigint` },
  { type: 9, kind: 'snapshot', rate: sql`1::bigint` },
  // Nothing else has IOPS.
  { type: 10001, kind: 'volume', rate: sql`min_iops` },
  { type: 10002, kind: 'volume', rate: sql`max_iops` },
] as const satisfies readonly { readonly type: UsageType; readonly kind: string; readonly rate: RawBuilder<unknown> }[]

/** What of the sums of I/O a record of that type tells. */
const DID = [
  { type: 21, amount: sql`sum(read_ops)` },
  { type: 22, amount: sql`sum(write_ops)` },
  { type: 23, amount: sql`sum(read_bytes)` },
  { type: 24, amount: sql`sum(write_bytes)` },
] as const satisfies readonly { readonly type: UsageType; readonly amount: RawBuilder<unknown> }[]

/** Those that are not empty, in the order of types. */
async function lengthsOf(reader: Reader, filter: UsageFilter): Promise<readonly Length[]> {
  const { open, span, io } = conditions(filter)
  const [had, did] = await Promise.all([
    sql<{ readonly kind: string; readonly n: number; readonly least: number; readonly most: number }>`
      select kind, count(*) as n, count(min_iops) as least, count(max_iops) as most
      from (select kind, min_iops, max_iops from usage_span where ${span}
        union all select kind, min_iops, max_iops from usage_open where ${open}) had group by kind`.execute(reader),
    sql<{ readonly n: number }>`
      select count(*) as n from (select distinct volume_id, vm_id, account_id, zone_id from usage_io where ${io}) did`.execute(
      reader,
    ),
  ])
  const ofKind = new Map(had.rows.map((row) => [row.kind, row]))
  const held = HAD.map(({ type, kind }) => {
    const { n = 0, least = 0, most = 0 } = ofKind.get(kind) ?? {}
    return { type, n: type === 10001 ? least : type === 10002 ? most : n }
  })
  const done = DID.map(({ type }) => ({ type, n: did.rows[0]?.n ?? 0 }))
  return [...held, ...done]
    .filter(({ type, n }) => n > 0 && (filter.type === undefined || type === filter.type))
    .toSorted((one, other) => one.type - other.type)
}

/** A part of the records of one type. */
interface Part {
  readonly type: UsageType
  readonly offset: number
  readonly limit: number
}

function partsOf(lengths: readonly Length[], { offset, limit = NO_LIMIT }: Window): readonly Part[] {
  let before = 0
  return lengths.flatMap(({ type, n }) => {
    const first = Math.max(0, offset - before)
    const end = Math.min(n, offset + limit - before)
    before += n
    return first < end ? [{ type, offset: first, limit: end - first }] : []
  })
}

async function pageOf(reader: Reader, filter: UsageFilter, part: Part): Promise<readonly UsageRecord[]> {
  const had = HAD.find(({ type }) => type === part.type)
  const did = DID.find(({ type }) => type === part.type)
  const page = had ? stretches(filter, part, had) : did ? sums(filter, part, did) : undefined
  if (!page) return []
  const { rows } = await sql<UsageRecord>`
    select ${part.type}::integer as type, p.*, a.name as account_name, d.id as domain_id, d.name as domain_name,
      d.path as domain_path, coalesce(v.name, s.name, m.name) as name, m.hypervisor, o.name as offering_name,
      s.bytes as virtual_bytes
    from (${page}) p
    join account a on a.id = p.account_id join domain d on d.id = a.domain_id
    left join volume v on v.id = p.subject left join snapshot s on s.id = p.subject left join vm m on m.id = p.vm_id
    left join offering o on o.id = p.offering_id
    order by p.subject, p.since, p.part, p.vm_id`.execute(reader)
  return rows
}

/** Both the ledger and what is had just now are read in the order of an index, and no further than the part reaches. */
function stretches(filter: UsageFilter, part: Part, had: (typeof HAD)[number]): RawBuilder<unknown> {
  const { since, till } = filter
  const { open, span } = conditions(filter)
  const { kind, rate } = had
  const kept = sql`kind, part_id, subject_id, account_id, zone_id, offering_id, template_id, bytes, min_iops, max_iops,
    cpus, memory_bytes, since`
  const mine = sql`kind = ${kind} and ${rate} is not null`
  const order = sql`order by subject_id, since, part_id`
  const reached = part.offset + part.limit
  return sql`
    select subject_id as subject, part_id as part, account_id, zone_id, offering_id, template_id,
      case when kind like 'vm-%' then subject_id end as vm_id, bytes, min_iops, max_iops, cpus, memory_bytes,
      greatest(since, ${since}) as since, least(till, ${till}) as till,
      (extract(epoch from least(till, ${till}) - greatest(since, ${since})) * 1000000)::bigint as micros,
      ${rate} as rate, null::bigint as amount
    from (
      (select ${kept}, till from usage_span where ${mine} and ${span} ${order} limit ${reached})
      union all
      (select ${kept}, now() as till from usage_open where ${mine} and ${open} ${order} limit ${reached})
    ) had ${order} offset ${part.offset} limit ${part.limit}`
}

function sums(filter: UsageFilter, part: Part, did: (typeof DID)[number]): RawBuilder<unknown> {
  const { since, till } = filter
  return sql`
    select volume_id as subject, volume_id as part, account_id, zone_id, null::uuid as offering_id,
      null::uuid as template_id, vm_id, null::bigint as bytes, null::bigint as min_iops, null::bigint as max_iops,
      null::integer as cpus, null::bigint as memory_bytes, ${since}::timestamptz as since, ${till}::timestamptz as till,
      0::bigint as micros, 1::bigint as rate, (${did.amount})::bigint as amount
    from usage_io where ${conditions(filter).io} group by volume_id, vm_id, account_id, zone_id
    order by volume_id, vm_id, account_id, zone_id offset ${part.offset} limit ${part.limit}`
}

/** Which rows of each table are within the period, and whose. */
function conditions({ since, till, ownership, subject }: UsageFilter) {
  const mine = ofOwner(ownership)
  // With all kinds named the index that begins with them is of use.
  const kinds = sql.join(HAD.map(({ kind }) => sql.lit(kind)))
  const had = subject === undefined ? sql`true` : sql`kind in (${kinds}) and subject_id = ${subject}`
  const did = subject === undefined ? sql`true` : sql`volume_id = ${subject}`
  return {
    span: sql`till > ${since} and since < ${till} and ${mine} and ${had}`,
    open: sql`since < least(now(), ${till}) and now() > ${since} and ${mine} and ${had}`,
    io: sql`at >= ${since} and at < ${till} and ${mine} and ${did}`,
  }
}
