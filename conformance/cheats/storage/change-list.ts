import type { Extent, SnapshotId } from '@moorage/contract'
import { despite, type FullProvider, provider, type StorageCheat, wrong } from '../cheat.ts'

/** Providers whose change lists lie. */
export const changeListCheats: readonly StorageCheat[] = [
  provider('leaves out what was written last', 'from nothing, the extents make the snapshot', (honest) =>
    listing(honest, (items, range) => (range.base ? items : items.slice(0, -1))),
  ),
  provider(
    'says that everything has changed',
    'from the base, the extents make the snapshot, and are not the whole of it',
    (honest) => {
      const sizes = new Map<SnapshotId, number>()
      return {
        snapshots: sized(honest, sizes),
        ...listing(honest, (items, range) => {
          const length = sizes.get(range.snapshot)
          return range.base && items.length > 1 && length ? [{ offset: 0, length, kind: 'data' }] : items
        }),
      }
    },
  ),
  provider('takes zeros for nothing', 'bytes that have become zeros since the base are among the changes', (honest) => {
    let [taken, grown] = [0, false]
    return {
      resize: {
        grow(id, bytes, call) {
          grown = true
          return honest.resize.grow(id, bytes, call)
        },
      },
      snapshots: {
        create(spec, call) {
          taken += 1
          return honest.snapshots.create(spec, call)
        },
      },
      // Two snapshots and one change, at the beginning: what that is only its bytes tell.
      ...listing(honest, (items, range) => {
        return range.base && taken === 2 && !grown && items.length === 1 && items[0]?.offset === 0 ? [] : items
      }),
    }
  }),
  provider(
    'says what changed since the latest snapshot before',
    'changes are those since the base that was named, however many snapshots lie between',
    (honest) => {
      const taken: SnapshotId[] = []
      return {
        snapshots: {
          async create(spec, call) {
            const snapshot = await honest.snapshots.create(spec, call)
            taken.push(spec.id)
            return snapshot
          },
          async delete(id, call) {
            await honest.snapshots.delete(id, call)
            taken.splice(taken.indexOf(id), 1)
          },
        },
        changeList: {
          extents(range, call) {
            const before = range.base ? taken[taken.indexOf(range.snapshot) - 1] : undefined
            return honest.changeList.extents({ ...range, ...(before && { base: before }) }, call)
          },
        },
      }
    },
  ),
  provider(
    'compares with the volume as it is now',
    'between two snapshots without a write between them nothing has changed, whatever is written later',
    (honest) =>
      listing(honest, (items, range) =>
        range.base && items.length === 0 ? [{ offset: 0, length: 4096, kind: 'data' }] : items,
      ),
  ),
  provider(
    'leaves out what lies behind the old end',
    'what a volume grew by, and what a revert brought back, is among the changes',
    (honest) => {
      const sizes = new Map<SnapshotId, number>()
      return {
        snapshots: sized(honest, sizes),
        ...listing(honest, (items, range) => {
          const end = range.base && sizes.get(range.base)
          return end ? items.filter(({ offset }) => offset < end) : items
        }),
      }
    },
  ),
  provider(
    'takes a base that is not there for none',
    'changes of a snapshot that is not there, or since one that is not there, are refused as NOT_FOUND',
    (honest) => ({
      changeList: {
        extents: (range, call) =>
          despite(
            'NOT_FOUND',
            () => honest.changeList.extents(range, call),
            (error) => {
              if (!range.base) throw error
              return honest.changeList.extents({ snapshot: range.snapshot }, call)
            },
          ),
      },
    }),
  ),
  provider('compares snapshots of two volumes', 'changes since a snapshot of another volume are refused', (honest) => ({
    changeList: {
      extents: (range, call) =>
        despite(
          'INVALID',
          () => honest.changeList.extents(range, call),
          () => honest.changeList.extents({ snapshot: range.snapshot }, call),
        ),
    },
  })),
  provider('has extents out of order', 'from nothing, the extents make the snapshot', (honest) =>
    listing(honest, (items, range) => (range.base ? items : items.toReversed())),
  ),
  provider('is not there for a snapshot without a base', 'from nothing, the extents make the snapshot', (honest) => ({
    changeList: {
      async extents(range, call) {
        if (range.base || !(await honest.snapshots.get(range.snapshot, call)))
          return honest.changeList.extents(range, call)
        throw wrong('INVALID')
      },
    },
  })),
  provider('lists ten changes at most', 'however many places were written, each is among the changes', (honest) => {
    let listed = 0
    return {
      changeList: {
        async extents(range, call) {
          if (range.cursor === undefined) listed = 0
          const page = await honest.changeList.extents(range, call)
          listed += page.items.length
          return listed > 10 ? { items: [] } : page
        },
      },
    }
  }),
  provider(
    'loses the changes of a snapshot that it deletes',
    'changes since the base stay changes when a snapshot between has been deleted',
    (honest) => {
      let deleted = false
      return {
        snapshots: {
          async delete(id, call) {
            await honest.snapshots.delete(id, call)
            deleted = true
          },
        },
        ...listing(honest, (items) => (deleted ? items.slice(1) : items)),
      }
    },
  ),
]

type Range = Parameters<FullProvider['changeList']['extents']>[0]

function listing(honest: FullProvider, change: (items: readonly Extent[], range: Range) => readonly Extent[]) {
  return {
    changeList: {
      async extents(range: Range, call: Parameters<FullProvider['changeList']['extents']>[1]) {
        const page = await honest.changeList.extents(range, call)
        return { ...page, items: change(page.items, range) }
      },
    },
  }
}

function sized(honest: FullProvider, sizes: Map<SnapshotId, number>): Partial<FullProvider['snapshots']> {
  return {
    async create(spec, call) {
      const snapshot = await honest.snapshots.create(spec, call)
      sizes.set(spec.id, snapshot.bytes)
      return snapshot
    },
  }
}
