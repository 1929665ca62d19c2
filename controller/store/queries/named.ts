import type { Reader } from '../store.ts'

/** Tables whose rows are found again by what an operator calls them. */
export type Named = 'zone' | 'pod' | 'cluster' | 'template' | 'offering'
/** Tables whose rows are found again by their address. */
export type Addressed = 'host' | 'pool'

/** Id of the oldest row of that name that was not removed; `undefined` without one. */
export async function idOfName(reader: Reader, table: Named, name: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom(table)
    .select('id')
    .where('name', '=', name)
    .where('removedAt', 'is', null)
    .orderBy('seq')
    .executeTakeFirst()
  return row?.id
}

/** Id of the oldest row at that url that was not removed; `undefined` without one. */
export async function idOfUrl(reader: Reader, table: Addressed, url: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom(table)
    .select('id')
    .where('url', '=', url)
    .where('removedAt', 'is', null)
    .orderBy('seq')
    .executeTakeFirst()
  return row?.id
}
