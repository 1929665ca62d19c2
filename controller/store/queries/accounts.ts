import type { Reader } from '../store.ts'

/** The account of that name in a domain (by id), with the path of the domain; `undefined` when there is none. */
export function findAccount(reader: Reader, wanted: { readonly name: string; readonly domain: string }) {
  return reader
    .selectFrom('account')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .where('account.domainId', '=', wanted.domain)
    .where('account.name', '=', wanted.name)
    .where('account.removedAt', 'is', null)
    .select(['account.id', 'domain.path as domainPath'])
    .executeTakeFirst()
}

/** Path of a domain that is there: `/` for the root, `/a/b/` below it, so that a prefix is an ancestor. */
export async function domainPath(reader: Reader, id: string): Promise<string> {
  return (await reader.selectFrom('domain').where('id', '=', id).select('path').executeTakeFirstOrThrow()).path
}
