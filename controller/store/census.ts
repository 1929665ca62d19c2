import { sql } from 'kysely'
import type { Finding } from '../domain/census.ts'
import { jsonText } from './json.ts'
import type { Reader, Tx } from './store.ts'

const OPEN = ['queued', 'running', 'undoing'] as const

/** The database's clock, as text that it reads back without loss. */
export async function databaseNow(reader: Reader): Promise<string> {
  const { rows } = await sql<{ readonly now: string }>`select clock_timestamp()::text as now`.execute(reader)
  const [row] = rows
  if (!row) throw new Error('the database has no clock')
  return row.now
}

/** Locks of every operation, but one, that is open or has ended since the moment that `databaseNow` answered. */
export async function busySince(reader: Reader, moment: string, except?: string): Promise<ReadonlySet<string>> {
  const rows = await reader
    .selectFrom('operation')
    .select('resources')
    .where((eb) => (except === undefined ? eb.lit(true) : eb('id', '<>', except)))
    .where(({ or, eb }) => or([eb('state', 'in', OPEN), eb('endedAt', '>=', sql<Date>`${moment}::timestamptz`)]))
    .execute()
  return new Set(rows.flatMap(({ resources }) => resources))
}

/** A volume whose QoS its array enforces, with the vector it was last known to apply. */
export interface ArrayQos {
  readonly id: string
  readonly qosRequested: unknown
  readonly qosApplied: unknown
}

/** Volumes of a pool whose vector was not told in that run, at most 500, in the order of their ids, `after` one of them. */
export async function unreadArrayQos(
  reader: Reader,
  at: { readonly pool: string; readonly run: string; readonly after: string },
): Promise<readonly ArrayQos[]> {
  return reader
    .selectFrom('volume')
    .innerJoin('location', 'location.volumeId', 'volume.id')
    .select(['volume.id', 'volume.qosRequested', 'volume.qosApplied'])
    .where('location.poolId', '=', at.pool)
    .where('location.state', '=', 'present')
    .where('location.qosTier', '=', 'storage')
    .where('volume.id', '>', at.after || '00000000-0000-0000-0000-000000000000')
    .where(sql<boolean>`not coalesce((select s.observed is not null from census_seen s where s.run = ${at.run}
      and s.place = ${`pool:${at.pool}`} and s.object = 'volume:' || volume.id::text limit 1), false)`)
    .orderBy('volume.id')
    .limit(500)
    .execute()
}

/** Forgets what runs before this one have left of what they saw: one that was killed, or taken over. */
export async function beginSeeing(reader: Reader): Promise<void> {
  await sql`delete from census_seen`.execute(reader)
}

/** What was seen, or missed, in one place. */
export interface Sight {
  readonly place: string
  readonly object: string
  readonly finding?: Finding
  /** Of a volume or its vector: what was read back from where it is enforced. */
  readonly observed?: object
}

/**
 * Notes what a census has seen. Of an object that is noted twice the first note counts, and that of a finding before one that
 * is none. Any number at a time: two statements, of which that for what is as recorded is the cheap one, since most is.
 */
export async function noteSeen(reader: Reader, run: string, sights: readonly Sight[]): Promise<void> {
  const [plain, found] = [sights.filter(({ finding }) => !finding), sights.filter(({ finding }) => finding)]
  if (found.length > 0) await noteFound(reader, run, found)
  if (plain.length === 0) return
  const observed = plain.map((sight) => (sight.observed ? jsonText(sight.observed) : null))
  // What an operation changed meanwhile says nothing of what was observed: its lock is that of the volume.
  await sql`insert into census_seen (run, place, object, observed, resources)
    select ${run}, r.place, r.object, r.observed::jsonb,
      case when r.observed is not null then array['volume:' || split_part(r.object, ':', 2)] end
    from unnest(${plain.map(({ place }) => place)}::text[], ${plain.map(({ object }) => object)}::text[],
      ${observed}::text[]) as r(place, object, observed)
    on conflict (run, place, object) do nothing`.execute(reader)
}

async function noteFound(reader: Reader, run: string, sights: readonly Sight[]): Promise<void> {
  const rows = sights.map(({ place, object, finding, observed }) => ({
    place,
    object,
    class: finding?.class,
    kind: finding?.kind,
    detail: finding?.detail,
    bytes: finding?.bytes,
    resources: finding?.resources,
    observed,
  }))
  await sql`insert into census_seen (run, place, object, class, kind, detail, resources, bytes, observed)
    select ${run}, r.place, r.object, r.class, r.kind, r.detail, r.resources, r.bytes, r.observed
    from jsonb_to_recordset(${jsonText(rows)}::jsonb) as r(place text, object text, class text, kind text, detail text,
      resources text[], bytes bigint, observed jsonb)
    on conflict (run, place, object) do nothing`.execute(reader)
}

/** Takes out what an operation was working on meanwhile: what is in motion is no finding, and says nothing of what was. */
export async function forgetBusy(reader: Reader, run: string, busy: ReadonlySet<string>): Promise<void> {
  if (busy.size === 0) return
  await sql`delete from census_seen where run = ${run} and resources && ${[...busy]}::text[]`.execute(reader)
}

/** The end of a census. */
export interface Counted {
  /** Operation, and the name under which it noted what it saw. */
  readonly operation: string
  readonly run: string
  /** Places that did not answer: nothing there is called gone. */
  readonly unlisted: readonly string[]
  /** Locks of what was in motion. */
  readonly busy: readonly string[]
  readonly foreign: readonly Foreign[]
}

/** Volumes in a pool that are not ours, and their bytes. */
export interface Foreign {
  readonly pool: string
  readonly volumes: number
  readonly bytes: number
}

/**
 * Records what a census found: a finding seen before is seen again; one that is ignored stays so for its time, as long as it
 * does not change; what is recycled stays recycled. One of a place that was looked at, which does not show any more and on
 * which nothing works, is `gone`. Statements over sets: their number does not grow with what was found.
 */
export async function recordCounted(tx: Tx, counted: Counted): Promise<void> {
  const { operation, run, unlisted, busy, foreign } = counted
  await sql`insert into census_finding (id, kind, class, place, object, detail, resources, bytes, state, run_id)
    select gen_random_uuid(), kind, class, place, object, detail, resources, bytes, 'open', ${operation}
    from census_seen where run = ${run} and class is not null order by place, object
    on conflict (kind, place, object) do update set class = excluded.class, detail = excluded.detail,
      resources = excluded.resources, bytes = excluded.bytes, run_id = excluded.run_id, last_seen_at = now(),
      first_seen_at = case when census_finding.state = 'gone' then now() else census_finding.first_seen_at end,
      recycled_at = case when census_finding.state = 'recycled' then census_finding.recycled_at end,
      resolution = case when census_finding.state = 'gone' then null else census_finding.resolution end,
      state = case when census_finding.state = 'recycled' then 'recycled'
        when census_finding.state = 'ignored' and census_finding.detail = excluded.detail
          and census_finding.class is not distinct from excluded.class
          and census_finding.bytes is not distinct from excluded.bytes
          and coalesce(census_finding.ignored_until > now(), true) then 'ignored'
        else 'open' end`.execute(tx)
  await sql`update census_finding set state = 'gone' where state <> 'gone' and run_id <> ${operation}
    and not (place = any(${[...unlisted]}::text[])) and not (resources && ${[...busy]}::text[])`.execute(tx)
  await sql`update volume set qos_observed = s.observed, qos_observed_at = now() from census_seen s
    where s.run = ${run} and s.observed is not null and volume.id = split_part(s.object, ':', 2)::uuid`.execute(tx)
  for (const { pool, volumes, bytes } of foreign)
    await tx.updateTable('pool').set({ foreignBytes: bytes, foreignVolumes: volumes }).where('id', '=', pool).execute()
  await sql`delete from census_seen where run = ${run}`.execute(tx)
}
