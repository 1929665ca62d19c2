import type { Extent, Page, SnapshotId } from '@moorage/contract'
import { newChangeLists } from '@moorage/files'
import { fenceOf } from '../state/fences.ts'
import { type Caller, checkOwner, missing, type San } from './context.ts'

/** What is asked of `change-list/extents`. */
export interface Asked {
  readonly base?: SnapshotId
  readonly snapshot: SnapshotId
  readonly cursor?: string
}

/** `change-list/extents`: what differs between two snapshots of one volume, by the blocks on which they lie. */
export function changeLists(san: San): (asked: Asked, caller: Caller) => Promise<Page<Extent>> {
  const extents = newChangeLists(async (id) => {
    const known = san.objects.snapshot(id)
    if (known?.state !== 'ready') throw missing({ kind: 'snapshot', id })
    const name = san.files.snapshot(known.owner, id, known.volume)
    if (!(await san.files.measure(name))) throw missing({ kind: 'snapshot', id })
    return { path: san.files.path(name), volume: known.volume }
  })
  return (asked, caller) => {
    const ids = [asked.snapshot, ...(asked.base === undefined ? [] : [asked.base])]
    const objects = ids.map((id) => ({ kind: 'snapshot', id }) as const)
    // Neither may be deleted while they are compared: its blocks would be used again.
    return san.locks.run(objects.map(fenceOf), caller.call, () => {
      for (const object of objects) {
        const known = san.objects.snapshot(object.id)
        if (known) checkOwner(object, known.owner, caller)
      }
      return extents(asked, caller.call)
    })
  }
}
