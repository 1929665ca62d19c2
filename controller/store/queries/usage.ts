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

/** Records of a period by type, subject and time. What is had still counts until now. */
export async function listUsage(reader: Reader, filter: UsageFilter, window: Window): Promise<Listed<UsageRecord>> {
  const all = records(filter)
  const [{ rows: items }, { rows: counted }] = await Promise.all([
    sql<UsageRecord>`with ${all}
      select p.*, a.name as account_name, d.id as domain_id, d.name as domain_name, d.path as domain_path,
        coalesce(v.name, s.name, m.name) as name, m.hypervisor, o.name as offering_name, s.bytes as virtual_bytes
      from (select * from wanted order by type, subject, since, part offset ${window.offset}
        limit ${window.limit ?? NO_LIMIT}) p
      join account a on a.id = p.account_id join domain d on d.id = a.domain_id
      left join volume v on v.id = p.subject left join snapshot s on s.id = p.subject left join vm m on m.id = p.vm_id
      left join offering o on o.id = p.offering_id
      order by p.type, p.subject, p.since, p.part`.execute(reader),
    sql<{ readonly n: number }>`with ${all} select count(*) as n from wanted`.execute(reader),
  ])
  return { count: counted[0]?.n ?? 0, items }
}

function records(filter: UsageFilter): RawBuilder<unknown> {
  const { since, till } = filter
  const mine = ofOwner(filter.ownership)
  return sql`
    had as (
      select kind, part_id, subject_id, account_id, zone_id, offering_id, template_id, bytes, min_iops, max_iops, cpus,
        memory_bytes, greatest(since, ${since}) as since, least(till, ${till}) as till
      from usage_span where till > ${since} and since < ${till} and ${mine}
      union all
      select kind, part_id, subject_id, account_id, zone_id, offering_id, template_id, bytes, min_iops, max_iops, cpus,
        memory_bytes, greatest(since, ${since}), least(now(), ${till})
      from usage_open where since < least(now(), ${till}) and now() > ${since} and ${mine}
    ),
    did as (
      select volume_id, vm_id, account_id, zone_id, sum(read_ops)::bigint as read_ops, sum(write_ops)::bigint as write_ops,
        sum(read_bytes)::bigint as read_bytes, sum(write_bytes)::bigint as write_bytes
      from usage_io where at >= ${since} and at < ${till} and ${mine}
      group by volume_id, vm_id, account_id, zone_id
    ),
    record as (
      ${HAD}
      union all
      select t.type, volume_id, volume_id, account_id, zone_id, null, null, vm_id, null, null, null, null, null,
        ${since}::timestamptz, ${till}::timestamptz, 0, 1, t.amount
      from did cross join lateral
        (values (21, read_ops), (22, write_ops), (23, read_bytes), (24, write_bytes)) as t (type, amount)
    ),
    wanted as (select * from record where ${wanted(filter)})`
}

/** One record for each type under which a stretch counts. */
const HAD = sql`
  select t.type, subject_id as subject, part_id as part, account_id, zone_id, offering_id, template_id,
    case when kind like 'vm-%' then subject_id end as vm_id, bytes, min_iops, max_iops, cpus, memory_bytes, since, till,
    (extract(epoch from till - since) * 1000000)::bigint as micros, t.rate, null::bigint as amount
  from had cross join lateral (values
    (case kind when 'vm-running' then 1 when 'vm-allocated' then 2 when 'volume' then 6 else 9 end, 1::bigint),
    (10001, min_iops), (10002, max_iops)) as t (type, rate)
  where t.rate is not null`

function wanted({ type, subject }: UsageFilter): RawBuilder<unknown> {
  const conditions = [sql`true`]
  if (type !== undefined) conditions.push(sql`type = ${type}`)
  if (subject !== undefined) conditions.push(sql`subject = ${subject}`)
  return sql.join(conditions, sql` and `)
}
