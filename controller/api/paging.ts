import { refuse } from '../operations/refusals.ts'
import type { Window } from '../store/queries/page.ts'
import type { Arguments } from './received.ts'
import { integer, type At, type Param } from './params.ts'

/** Entries on one page when the caller does not say, and at most: CloudStack's `default.page.size`. */
const PAGE_SIZE = 500

/** Parameters that every list has. */
export const pageParams = {
  page: integer({ description: 'number of the page, from 1', least: 1 }),
  pagesize: integer({ description: `entries on a page: at most ${PAGE_SIZE}, or -1 for all of them`, least: -1 }),
} as const satisfies Readonly<Record<string, Param<number>>>

/** Which part of the list a request asks for. Throws `Refusal` `INVALID`, as CloudStack does for pages that are too large. */
export async function windowOf(given: Arguments['given'], at: Omit<At, 'name'>): Promise<Window> {
  const read = async (name: keyof typeof pageParams) => {
    const found = given.get(name)
    return found && (await pageParams[name].read(found, { ...at, name }))
  }
  const [page, size] = [await read('page'), await read('pagesize')]
  if (size === -1) return { offset: 0 }
  if (size !== undefined && (size === 0 || size > PAGE_SIZE)) {
    throw refuse(
      'INVALID',
      `Page size can not exceed max allowed page size value: ${PAGE_SIZE}, and is -1 or at least 1`,
    )
  }
  const limit = size ?? PAGE_SIZE
  return { offset: ((page ?? 1) - 1) * limit, limit }
}

/** The part of a list that is in memory as a whole. */
export function cut<Item>(all: readonly Item[], { offset, limit }: Window): readonly Item[] {
  return all.slice(offset, limit === undefined ? undefined : offset + limit)
}
