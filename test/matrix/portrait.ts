import { sql } from 'kysely'
import type { World } from '../../controller/sagas/testing/world.ts'

/** Tables that tell what there is, in the order in which their ids are named. `template` and such are told by their rows. */
const TABLES = [
  'vm',
  'volume',
  'snapshot',
  'snapshotCopy',
  'location',
  'attachment',
  'connection',
  'reservation',
  'template',
  'pool',
  'archiveUpkeep',
] as const

/** Everything that an operation leaves behind, children before what they refer to. */
const LEFT =
  'usage_io, usage_span, usage_open, volume_io, resource_detail, snapshot_policy, archive_upkeep, operation_log, operation_step, operation_lock, operation_wait, operation, event, census_finding, attachment, connection, reservation, location, snapshot_copy, seed, snapshot, volume, vm, template'

/** Columns that differ from one run to the next, and say nothing. */
const PASSING: ReadonlySet<string> = new Set(['seq', 'id', 'runId', 'offeringId', 'usedBytes', 'version', 'tookMs'])

/** Begins the lines of a portrait that tell what the census found. */
export const FOUND = 'found '

/**
 * What the census finds, what the database says, and what arrays, hosts, movers and archives hold, as lines that are the same for two runs
 * that came to the same: ids are numbered in the order of their making, times are told as being there.
 */
export async function portraitOf(world: World): Promise<readonly string[]> {
  const { reader } = world.store
  // First: it records what arrays enforce, which the rows below then tell.
  const findings = await world.findings()
  const names = new Map<string, string>([
    ...Object.entries(world.pools).map(([name, id]) => [id, `pool ${name}`] as const),
    ...Object.entries(world.hosts).map(([name, id]) => [id, `host ${name}`] as const),
    ...world.vaultNames(),
  ])
  for (const table of ['vm', 'volume', 'snapshot', 'template'] as const) {
    const rows = await reader.selectFrom(table).select('id').orderBy('seq').execute()
    for (const [at, { id }] of rows.entries()) names.set(id, `${table} ${at + 1}`)
  }
  const lines = findings.map((finding) => `${FOUND}${named(finding, names)}`)
  for (const table of TABLES) {
    const rows = await reader.selectFrom(table).selectAll().execute()
    for (const row of rows) lines.push(`${table} ${named('id' in row ? row.id : '', names)}: ${told(row, names)}`)
  }
  const held = [...(await world.arrays()), ...(await world.machines()), ...(await world.moved())]
  for (const item of held) lines.push(`holds ${told(item, names)}`)
  return lines.toSorted()
}

/** The same without the numbers that count how often something was tried. */
export function withoutCounts(portrait: readonly string[]): readonly string[] {
  return portrait.map((line) => line.replaceAll(/"generation":\d+,?/g, '')).toSorted()
}

/** Forgets what operations left in the database. With nothing left on arrays and hosts the next run begins as the first did. */
export async function forget(world: World): Promise<void> {
  await world.store.transact((tx) => sql`truncate ${sql.raw(LEFT)}`.execute(tx))
}

function told(row: object, names: ReadonlyMap<string, string>): string {
  const entries = Object.entries(row)
    .filter(([name]) => !PASSING.has(name))
    .map(([name, value]: [string, unknown]) => [
      name,
      name.endsWith('At') || Buffer.isBuffer(value) || isTime(name, value) ? value !== null : value,
    ])
  return named(JSON.stringify(Object.fromEntries(entries)), names)
}

/** An adopted volume's generations begin at the time of its adoption, far above any number of attachments. */
function isTime(name: string, value: unknown): boolean {
  return name === 'generation' && Number(value) > 1e9
}

/** Ids by their names, whole or as back ends shorten them. Ids of what has no name here are all the same. */
function named(text: string, names: ReadonlyMap<string, string>): string {
  let found = text
  for (const [id, name] of names) {
    const digits = id.replaceAll('-', '')
    found = found.replaceAll(id, name).replaceAll(digits, name).replaceAll(digits.slice(0, 20), name)
  }
  return found.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'some id')
}
