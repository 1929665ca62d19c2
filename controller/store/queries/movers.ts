import type { Reader } from '../store.ts'
import { containing, cutPage, type Listed, NO_LIMIT, type Window } from './page.ts'

/** What `listMovers` may ask for; absent fields do not filter. */
export interface MoverFilter {
  readonly ids?: readonly string[]
  readonly keyword?: string
  readonly zone?: string
}

/** A mover with the name of its zone. Holds no secrets. */
export type MoverView = Awaited<ReturnType<typeof selectMovers>>[number]

/** A page of registered movers in the order of registration. */
export async function listMovers(reader: Reader, filter: MoverFilter, window: Window): Promise<Listed<MoverView>> {
  let wanted = reader.selectFrom('mover').where('mover.removedAt', 'is', null)
  if (filter.ids) wanted = wanted.where('mover.id', 'in', filter.ids.length > 0 ? filter.ids : [null])
  if (filter.keyword !== undefined) wanted = wanted.where('mover.name', 'ilike', containing(filter.keyword))
  if (filter.zone !== undefined) wanted = wanted.where('mover.zoneId', '=', filter.zone)
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('mover.id')
        .orderBy('mover.seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: ids.length === 0 ? [] : await selectMovers(reader, ids) }
}

function selectMovers(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('mover')
    .innerJoin('zone', 'zone.id', 'mover.zoneId')
    .where('mover.id', 'in', ids)
    .select(['mover.id', 'mover.name', 'mover.url', 'mover.initiator', 'mover.accepts', 'mover.archives'])
    .select(['mover.version', 'mover.reportedAt', 'mover.unreachableSince', 'mover.createdAt'])
    .select(['mover.zoneId', 'zone.name as zoneName'])
    .orderBy('mover.seq')
    .execute()
}
