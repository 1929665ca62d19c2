import { sql } from 'kysely'
import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Listed, type Ownership, type Window } from './page.ts'

/** What the lists of stand-ins may ask for; absent fields do not filter. */
export interface StandInFilter {
  readonly kind: string
  /** Ignored by those that belong to nobody. */
  readonly ownership: Ownership
  readonly id?: string
  readonly name?: string
  readonly keyword?: string
  readonly zone?: string
  /** Its internal number. */
  readonly number?: number
  /** What must stand among the attributes. */
  readonly attributes: Readonly<Record<string, unknown>>
}

/** A stand-in with the names of its owner and zone. */
export type StandInView = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

/** A page of stand-ins, in the order in which they were recorded. */
export async function listStandIns(
  reader: Reader,
  filter: StandInFilter,
  window: Window,
): Promise<Listed<StandInView>> {
  const { ownership } = filter
  let query = select(reader).where('standIn.kind', '=', filter.kind)
  if (ownership.of === 'account')
    query = query.where((eb) =>
      eb.or([eb('standIn.accountId', '=', ownership.id), eb('standIn.accountId', 'is', null)]),
    )
  if (ownership.of === 'domain') {
    const { path, recursive } = ownership
    const inside = recursive ? sql<boolean>`starts_with(domain.path, ${path})` : sql<boolean>`domain.path = ${path}`
    query = query.where((eb) => eb.or([inside, eb('standIn.accountId', 'is', null)]))
  }
  if (filter.id !== undefined) query = query.where('standIn.id', '=', filter.id)
  if (filter.name !== undefined) query = query.where('standIn.name', '=', filter.name)
  if (filter.keyword !== undefined) query = query.where('standIn.name', 'ilike', containing(filter.keyword))
  if (filter.number !== undefined) query = query.where('standIn.seq', '=', filter.number)
  if (filter.zone !== undefined) query = query.where('standIn.zoneId', '=', filter.zone)
  if (Object.keys(filter.attributes).length > 0)
    query = query.where(sql<boolean>`stand_in.attributes @> ${JSON.stringify(filter.attributes)}::jsonb`)
  return await listed(query.orderBy('standIn.seq'), window)
}

/** A stand-in by id; `undefined` when there is none. */
export async function standInView(reader: Reader, id: string): Promise<StandInView | undefined> {
  return await select(reader).where('standIn.id', '=', id).executeTakeFirst()
}

/** The stand-in of an account by its name; `undefined` when there is none. */
export async function standInNamed(
  reader: Reader,
  of: { readonly kind: string; readonly account: string; readonly name: string },
): Promise<StandInView | undefined> {
  return await select(reader)
    .where('standIn.kind', '=', of.kind)
    .where('standIn.accountId', '=', of.account)
    .where('standIn.name', '=', of.name)
    .executeTakeFirst()
}

/** How many of a kind are recorded for an account, or for nobody. */
export async function countStandIns(reader: Reader, kind: string, account: string | null): Promise<number> {
  const { n } = await reader
    .selectFrom('standIn')
    .where('kind', '=', kind)
    .where('accountId', account === null ? 'is' : '=', account)
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return n
}

function select(reader: Reader) {
  return reader
    .selectFrom('standIn')
    .leftJoin('account', 'account.id', 'standIn.accountId')
    .leftJoin('domain', 'domain.id', 'account.domainId')
    .leftJoin('zone', 'zone.id', 'standIn.zoneId')
    .select(['standIn.id', 'standIn.seq', 'standIn.kind', 'standIn.accountId', 'standIn.zoneId', 'standIn.name'])
    .select(['standIn.attributes', 'standIn.createdAt', 'zone.name as zoneName', 'account.name as accountName'])
    .select(['domain.id as domainId', 'domain.name as domainName'])
}
