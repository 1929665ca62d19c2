import type { Call, Extent, Page, SnapshotId, Source } from '@moorage/contract'
import { exists, refuse, sync } from '@moorage/files'
import { missing } from './failures.ts'
import { differences, parseFilefrag, type Run } from './extents.ts'
import { recordAt } from './objects.ts'
import { fileOf, look, type Pool, recordOf } from './pool.ts'
import { run } from './run.ts'

const PAGE = 10_000
/** Lists whose next pages may still be asked for. Snapshots never change, so a list is right for as long as it is kept. */
const KEPT = 4

/** What is asked of `changeList.extents`. */
export interface Range {
  readonly base?: SnapshotId
  readonly snapshot: SnapshotId
  readonly cursor?: string
}

/**
 * `changeList.extents` of one pool. What lies on the same blocks in both files is the same: the file system's own map
 * (FIEMAP, by filefrag) tells. The cursor is the offset from which the next page goes on.
 */
export function newChangeList(pool: Pool): (range: Range, call: Call) => Promise<Page<Extent>> {
  const kept = new Map<string, readonly Extent[]>()
  return (range, call) =>
    look(pool, { call }, async () => {
      const { base, snapshot, cursor } = range
      const of = await volumeOf(pool, snapshot)
      if (base !== undefined && (await volumeOf(pool, base)) !== of) {
        throw refuse('INVALID', `base: snapshot ${base} is not of the volume of snapshot ${snapshot}`)
      }
      const key = `${base ?? ''} ${snapshot}`
      const extents = kept.get(key) ?? (await compare(pool, range, call))
      kept.delete(key)
      kept.set(key, extents)
      for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT))) kept.delete(oldest)
      return pageOf(extents, cursor)
    })
}

async function compare(pool: Pool, { base, snapshot }: Range, call: Call): Promise<readonly Extent[]> {
  const before = base === undefined ? [] : await runsOf(pool, base, call)
  return differences(before, await runsOf(pool, snapshot, call))
}

async function runsOf(pool: Pool, id: SnapshotId, call: Call): Promise<readonly Run[]> {
  const path = fileOf(pool, { kind: 'snapshot', id })
  // What is not on disk yet has no address.
  await sync(path)
  return parseFilefrag(await run('filefrag', ['-v', path], call))
}

/** The volume that a snapshot is of. Throws `NOT_FOUND` without the snapshot. */
async function volumeOf(pool: Pool, id: SnapshotId): Promise<string | undefined> {
  const source: Source = { kind: 'snapshot', id }
  if (!(await exists(fileOf(pool, source)))) throw missing(source)
  return (await recordAt(recordOf(pool, source))).volume
}

function pageOf(extents: readonly Extent[], cursor: string | undefined): Page<Extent> {
  if (cursor !== undefined && !/^\d{1,16}$/.test(cursor)) throw refuse('INVALID', 'cursor: is none of ours')
  const from = cursor === undefined ? 0 : Number(cursor)
  const rest = from === 0 ? extents : extents.slice(extents.findIndex(({ offset }) => offset >= from))
  const items = rest.slice(0, PAGE)
  const next = rest[PAGE]
  return next ? { items, next: String(next.offset) } : { items }
}
