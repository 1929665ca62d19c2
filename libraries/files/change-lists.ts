import type { Call, Extent, Page, SnapshotId } from '@moorage/contract'
import { sync } from './durable.ts'
import { differences, parseFilefrag, type Run } from './extents.ts'
import { refuse } from './failures.ts'
import { run } from './run.ts'

const PAGE = 10_000
/** Lists whose next pages may still be asked for. Snapshots never change, so a list is right for as long as it is kept. */
const KEPT = 4

/** What is asked of `changeList.extents`. */
export interface ChangeRange {
  readonly base?: SnapshotId
  readonly snapshot: SnapshotId
  readonly cursor?: string
}

/** A snapshot that is a file. */
export interface SnapshotFile {
  readonly path: string
  /** What it is a snapshot of; snapshots of two volumes are not compared. */
  readonly volume: string
}

/** Finds the file of a snapshot; throws `NOT_FOUND` without it. */
export type FindSnapshot = (id: SnapshotId, call: Call) => Promise<SnapshotFile>

/**
 * `changeList.extents` of snapshots that are files on one file system with reflinks. What lies on the same blocks in both
 * files is the same: the file system's own map (FIEMAP, by filefrag) tells. Both must be there: blocks of a file that was
 * removed are used again. The cursor is the offset from which the next page goes on.
 */
export function newChangeLists(find: FindSnapshot): (range: ChangeRange, call: Call) => Promise<Page<Extent>> {
  const kept = new Map<string, readonly Extent[]>()
  return async (range, call) => {
    const { base, snapshot, cursor } = range
    const now = await find(snapshot, call)
    const before = base === undefined ? undefined : await find(base, call)
    if (before && before.volume !== now.volume) {
      throw refuse('INVALID', `base: snapshot ${base} is not of the volume of snapshot ${snapshot}`)
    }
    const key = `${base ?? ''} ${snapshot}`
    const extents = kept.get(key) ?? differences(before ? await runsOf(before, call) : [], await runsOf(now, call))
    kept.delete(key)
    kept.set(key, extents)
    for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT))) kept.delete(oldest)
    return pageOf(extents, cursor)
  }
}

async function runsOf({ path }: SnapshotFile, call: Call): Promise<readonly Run[]> {
  // What is not on disk yet has no address.
  await sync(path)
  return parseFilefrag(await run('filefrag', ['-v', path], call))
}

function pageOf(extents: readonly Extent[], cursor: string | undefined): Page<Extent> {
  if (cursor !== undefined && !/^\d{1,16}$/.test(cursor)) throw refuse('INVALID', 'cursor: is none of ours')
  const from = cursor === undefined ? 0 : Number(cursor)
  const rest = from === 0 ? extents : extents.slice(extents.findIndex(({ offset }) => offset >= from))
  const items = rest.slice(0, PAGE)
  const next = rest[PAGE]
  return next ? { items, next: String(next.offset) } : { items }
}
