import { type RawBuilder, sql, type SqlBool } from 'kysely'
import { NOBODYS, STAND_IN_KINDS, type StandInKind } from '../../domain/stand-in.ts'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import type { Ownership } from './page.ts'

interface Entity {
  readonly table: keyof Database
  /** Whose it is: everyone's who may name it; that of `account_id`; an account, a domain itself; or public or owned. */
  readonly owner: 'nobody' | 'account' | 'account itself' | 'domain itself' | 'public or account'
  readonly where?: RawBuilder<SqlBool>
  /** False: rows are never removed. */
  readonly removable?: false
}

/** What a parameter may name by uuid or by internal number, and where that is. */
const ENTITIES = {
  zone: { table: 'zone', owner: 'nobody' },
  pod: { table: 'pod', owner: 'nobody' },
  cluster: { table: 'cluster', owner: 'nobody' },
  host: { table: 'host', owner: 'nobody' },
  pool: { table: 'pool', owner: 'nobody' },
  archive: { table: 'archive', owner: 'nobody' },
  mover: { table: 'mover', owner: 'nobody' },
  domain: { table: 'domain', owner: 'domain itself' },
  account: { table: 'account', owner: 'account itself' },
  user: { table: 'principal', owner: 'account' },
  diskoffering: { table: 'offering', owner: 'nobody', where: sql<SqlBool>`t.kind = 'disk'` },
  serviceoffering: { table: 'offering', owner: 'nobody', where: sql<SqlBool>`t.kind = 'service'` },
  template: { table: 'template', owner: 'public or account' },
  volume: { table: 'volume', owner: 'account' },
  snapshot: { table: 'snapshot', owner: 'account' },
  snapshotpolicy: { table: 'snapshotPolicy', owner: 'account', removable: false },
  vm: { table: 'vm', owner: 'account' },
  operation: { table: 'operation', owner: 'account', removable: false },
  event: { table: 'event', owner: 'account', removable: false },
  censusfinding: { table: 'censusFinding', owner: 'nobody', removable: false },
} as const satisfies Record<string, Entity>

/** Kinds of entities that parameters name. */
export type EntityKind = keyof typeof ENTITIES | StandInKind

const STAND_INS: ReadonlyMap<string, Entity> = new Map(
  STAND_IN_KINDS.map((kind) => [
    kind,
    {
      table: 'standIn',
      owner: NOBODYS.some((nobodys) => nobodys === kind) ? 'nobody' : 'account',
      where: sql<SqlBool>`t.kind = ${kind}`,
      removable: false,
    },
  ]),
)

function entityOf(kind: EntityKind): Entity {
  const found = kind in ENTITIES ? ENTITIES[kind as keyof typeof ENTITIES] : STAND_INS.get(kind) // `in` has looked.
  if (found === undefined) throw new Error(`there is no kind of entity ${kind}`)
  return found
}

/** What is looked for: uuids, or internal numbers as CloudStack's clients may give them. */
export interface Named {
  readonly kind: EntityKind
  readonly values: readonly string[]
  /** What the caller may see: the rest is as if it were not there. */
  readonly sight: Ownership
  /** Find removed ones, too. */
  readonly removed?: boolean
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const NUMBER = /^[1-9]\d{0,14}$/

/** The id of each value, in order; `undefined` where there is none that the caller may see. One query. */
export async function findEntities(reader: Reader, named: Named): Promise<readonly (string | undefined)[]> {
  const entity = entityOf(named.kind)
  const uuids = named.values.filter((value) => UUID.test(value)).map((value) => value.toLowerCase())
  const numbers = named.values.filter((value) => NUMBER.test(value)).map(Number)
  if (uuids.length + numbers.length === 0) return named.values.map(() => undefined)
  const conditions = [
    // Each alone, so that the index of the column in question serves.
    numbers.length === 0
      ? sql<SqlBool>`t.id = any(${uuids}::uuid[])`
      : uuids.length === 0
        ? sql<SqlBool>`t.seq = any(${numbers}::bigint[])`
        : sql<SqlBool>`(t.id = any(${uuids}::uuid[]) or t.seq = any(${numbers}::bigint[]))`,
    visible(entity, named.sight),
    ...(entity.where === undefined ? [] : [entity.where]),
    ...(entity.removable === false || named.removed === true ? [] : [sql<SqlBool>`t.removed_at is null`]),
  ]
  const { rows } = await sql<{ readonly id: string; readonly seq: number }>`
    select t.id, t.seq from ${sql.table(entity.table)} t where ${sql.join(conditions, sql` and `)}`.execute(reader)
  const ids = new Map(rows.flatMap(({ id, seq }) => [[id, id] as const, [String(seq), id] as const]))
  return named.values.map((value) => ids.get(value.toLowerCase()))
}

function visible(entity: Entity, sight: Ownership): RawBuilder<SqlBool> {
  if (sight.of === 'everyone' || entity.owner === 'nobody') return sql<SqlBool>`true`
  if (entity.owner === 'domain itself')
    return sight.of === 'domain'
      ? below(sql`t.path`, sight)
      : sql<SqlBool>`t.id = (select domain_id from account where id = ${sight.id})`
  const mine = owned(entity.owner === 'account itself' ? sql`t.id` : sql`t.account_id`, sight)
  return entity.owner === 'public or account' ? sql<SqlBool>`(t.public or ${mine})` : mine
}

function owned(
  account: RawBuilder<unknown>,
  sight: Exclude<Ownership, { readonly of: 'everyone' }>,
): RawBuilder<SqlBool> {
  if (sight.of === 'account') return sql<SqlBool>`${account} = ${sight.id}`
  return sql<SqlBool>`${account} in (
    select account.id from account join domain on domain.id = account.domain_id where ${below(sql`domain.path`, sight)}
  )`
}

function below(
  path: RawBuilder<unknown>,
  sight: { readonly path: string; readonly recursive: boolean },
): RawBuilder<SqlBool> {
  return sight.recursive ? sql<SqlBool>`starts_with(${path}, ${sight.path})` : sql<SqlBool>`${path} = ${sight.path}`
}
