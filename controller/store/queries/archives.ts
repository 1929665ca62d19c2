import { upkeepOf } from '../archive-upkeep.ts'
import type { ArchiveUpkeepRow } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { containing, cutPage, type Listed, NO_LIMIT, type Window } from './page.ts'

/** What `listImageStores` may ask for; absent fields do not filter. */
export interface ArchiveFilter {
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
  readonly zone?: string
  readonly provider?: string
  /** Scheme of the url. */
  readonly protocol?: string
  readonly readOnly?: boolean
}

/** An archive with the name of its zone, and how it was last seen to. Holds no secrets: what is sealed is left out. */
export type ArchiveView = Awaited<ReturnType<typeof selectArchives>>[number] & {
  readonly upkeep: readonly ArchiveUpkeepRow[]
}

/** A page of registered archives in the order of registration. */
export async function listArchives(
  reader: Reader,
  filter: ArchiveFilter,
  window: Window,
): Promise<Listed<ArchiveView>> {
  let wanted = reader.selectFrom('archive').where('archive.removedAt', 'is', null)
  if (filter.ids) wanted = wanted.where('archive.id', 'in', filter.ids.length > 0 ? filter.ids : [null])
  if (filter.name !== undefined) wanted = wanted.where('archive.name', '=', filter.name)
  if (filter.keyword !== undefined) wanted = wanted.where('archive.name', 'ilike', containing(filter.keyword))
  if (filter.zone !== undefined) wanted = wanted.where('archive.zoneId', '=', filter.zone)
  if (filter.provider !== undefined) wanted = wanted.where('archive.provider', 'ilike', filter.provider)
  if (filter.protocol !== undefined) wanted = wanted.where('archive.url', 'ilike', `${filter.protocol}:%`)
  if (filter.readOnly !== undefined) wanted = wanted.where('archive.readOnly', '=', filter.readOnly)
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('archive.id')
        .orderBy('archive.seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await archiveViews(reader, ids) }
}

/** The archives of these ids in the order of registration, removed ones too. */
export async function archiveViews(reader: Reader, ids: readonly string[]): Promise<readonly ArchiveView[]> {
  if (ids.length === 0) return []
  const upkeep = Map.groupBy(await upkeepOf(reader, ids), ({ archiveId }) => archiveId)
  return (await selectArchives(reader, ids)).map((view) => ({ ...view, upkeep: upkeep.get(view.id) ?? [] }))
}

function selectArchives(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('archive')
    .innerJoin('zone', 'zone.id', 'archive.zoneId')
    .where('archive.id', 'in', ids)
    .select(['archive.id', 'archive.name', 'archive.provider', 'archive.url', 'archive.readOnly', 'archive.chunkBytes'])
    .select(['archive.totalBytes', 'archive.usedBytes', 'archive.capacityBytes', 'archive.conditionalPut'])
    .select(['archive.reportedAt', 'archive.unreachableSince', 'archive.createdAt'])
    .select(['archive.collectInterval', 'archive.drillInterval', 'archive.zoneId', 'zone.name as zoneName'])
    .select((eb) => [
      eb.ref('archive.settings').$castTo<Readonly<Record<string, string>>>().as('settings'),
      eb('archive.sealedKey', 'is not', null).as('encrypted'),
    ])
    .orderBy('archive.seq')
    .execute()
}
