import { type ExpressionBuilder } from 'kysely'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import {
  containing,
  cutPage,
  inOrder,
  type Listed,
  NO_LIMIT,
  type Ownership,
  ownedBy,
  type TagFilter,
  taggedWith,
  type Window,
} from './page.ts'
import { type Pending, pendingOf, tagsOf, type TagView } from './pending.ts'

/** What `listSnapshots` may ask for; absent fields do not filter. */
export interface SnapshotFilter {
  readonly ownership: Ownership
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
  readonly volume?: string
  readonly zone?: string
  /** Where a copy lies, those that are only the base of an increment left out. */
  readonly kind?: 'array' | 'archive'
  /** Taken by a policy, or not. */
  readonly scheduled?: boolean
  /** Taken by a policy of that interval. */
  readonly interval?: string
  readonly tags?: readonly TagFilter[]
}

/** A copy of a snapshot, with the name of its pool or archive. */
export type CopyView = Awaited<ReturnType<typeof selectCopies>>[number]

/** A snapshot with the names of what it points to, and its copies in the order in which they were made. */
export type SnapshotView = Awaited<ReturnType<typeof selectSnapshots>>[number] & {
  readonly copies: readonly CopyView[]
  readonly tags: readonly TagView[]
  readonly pending?: Pending
}

/** A page of snapshots that are not destroyed, the newest first; one row per snapshot. */
export async function listSnapshots(
  reader: Reader,
  filter: SnapshotFilter,
  window: Window,
): Promise<Listed<SnapshotView>> {
  const wanted = reader
    .selectFrom('snapshot')
    .where('snapshot.removedAt', 'is', null)
    .where((eb) => eb.and(conditions(eb, filter)))
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('snapshot.id')
        .orderBy('snapshot.seq', 'desc')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await snapshotViews(reader, ids) }
}

/** The snapshots of these ids in their order, destroyed ones too. */
export async function snapshotViews(reader: Reader, ids: readonly string[]): Promise<readonly SnapshotView[]> {
  if (ids.length === 0) return []
  const [rows, copies, tags, pending] = await Promise.all([
    selectSnapshots(reader, ids),
    selectCopies(reader, ids),
    tagsOf(reader, 'Snapshot', ids),
    pendingOf(reader, ids),
  ])
  const ofSnapshot = Map.groupBy(copies, (copy) => copy.snapshotId)
  return inOrder(ids, rows).map((row) => {
    const open = pending.get(row.id)
    return {
      ...row,
      copies: ofSnapshot.get(row.id) ?? [],
      tags: tags.get(row.id) ?? [],
      ...(open === undefined ? {} : { pending: open }),
    }
  })
}

function conditions(eb: ExpressionBuilder<Database, 'snapshot'>, filter: SnapshotFilter) {
  const found = [ownedBy(eb, 'snapshot', filter.ownership)]
  if (filter.ids !== undefined) found.push(eb('snapshot.id', 'in', filter.ids.length > 0 ? filter.ids : [null]))
  if (filter.name !== undefined) found.push(eb('snapshot.name', '=', filter.name))
  if (filter.keyword !== undefined) found.push(eb('snapshot.name', 'ilike', containing(filter.keyword)))
  if (filter.volume !== undefined) found.push(eb('snapshot.volumeId', '=', filter.volume))
  if (filter.zone !== undefined) found.push(eb('snapshot.zoneId', '=', filter.zone))
  if (filter.scheduled !== undefined) found.push(eb('snapshot.intervalType', filter.scheduled ? 'is not' : 'is', null))
  if (filter.interval !== undefined) found.push(eb('snapshot.intervalType', '=', filter.interval))
  if (filter.tags !== undefined) found.push(taggedWith(eb, 'snapshot', { kind: 'Snapshot', tags: filter.tags }))
  if (filter.kind !== undefined) {
    const copies = eb
      .selectFrom('snapshotCopy')
      .select('snapshotId')
      .where('kind', '=', filter.kind)
      .where('state', '!=', 'gone')
      .where('base', '=', false)
    found.push(eb('snapshot.id', 'in', copies))
  }
  return found
}

function selectSnapshots(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('snapshot')
    .innerJoin('zone', 'zone.id', 'snapshot.zoneId')
    .innerJoin('account', 'account.id', 'snapshot.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .innerJoin('volume', 'volume.id', 'snapshot.volumeId')
    .where('snapshot.id', 'in', ids)
    .select([
      'snapshot.id',
      'snapshot.name',
      'snapshot.state',
      'snapshot.bytes',
      'snapshot.takenAt',
      'snapshot.createdAt',
      'snapshot.intervalType',
    ])
    .select([
      'snapshot.volumeId',
      'volume.name as volumeName',
      'volume.type as volumeType',
      'volume.state as volumeState',
    ])
    .select(['snapshot.zoneId', 'zone.name as zoneName', 'account.name as accountName'])
    .select(['domain.id as domainId', 'domain.name as domainName', 'domain.path as domainPath'])
    .execute()
}

function selectCopies(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('snapshotCopy')
    .leftJoin('pool', 'pool.id', 'snapshotCopy.poolId')
    .leftJoin('archive', 'archive.id', 'snapshotCopy.archiveId')
    .where('snapshotCopy.snapshotId', 'in', ids)
    .where('snapshotCopy.state', '!=', 'gone')
    .select([
      'snapshotCopy.snapshotId',
      'snapshotCopy.kind',
      'snapshotCopy.state',
      'snapshotCopy.bytes',
      'snapshotCopy.name',
    ])
    .select(['snapshotCopy.poolId', 'pool.name as poolName', 'snapshotCopy.base'])
    .select(['snapshotCopy.archiveId', 'archive.name as archiveName'])
    .orderBy('snapshotCopy.createdAt')
    .execute()
}
