import type { InventoryItem } from '@moorage/contract'
import { allPages, failureOf } from '../../check.ts'
import { despite, provider, type StorageCheat } from '../cheat.ts'

const UNTOUCHED = 'what another installation owns is not found, not deleted, not exposed and not taken over'
const UNCHANGED = 'no facet changes or copies a volume of another installation'

/** Providers that mind nobody's mark. */
export const strangerCheats: readonly StorageCheat[] = [
  provider(
    'claims the volumes of others',
    'what another installation owns is listed as foreign, and ours as foreign to it',
    (honest, stranger) => ({
      inventory: {
        async list(cursor, call) {
          const page = await honest.inventory.list(cursor, call)
          const theirs = await allPages((at) => stranger.inventory.list(at, call))
          const volumes = theirs.filter((item) => item.kind === 'volume' && item.owner === 'ours')
          if (theirs.some((item) => item.kind !== 'volume' && item.owner === 'ours')) return page
          const claimed = page.items.map(
            (item): InventoryItem => volumes.find(({ name }) => name === item.name) ?? item,
          )
          return { ...page, items: claimed }
        },
      },
    }),
  ),
  provider('does not count what else others own', 'foreign exposures and snapshots are counted too', (honest) => ({
    inventory: {
      async list(cursor, call) {
        const page = await honest.inventory.list(cursor, call)
        return { ...page, items: page.items.filter(({ kind, owner }) => kind === 'volume' || owner === 'ours') }
      },
    },
  })),
  provider('finds what others own', UNTOUCHED, (honest, stranger) => ({
    volumes: { get: async (id, call) => (await honest.volumes.get(id, call)) ?? stranger.volumes.get(id, call) },
  })),
  provider('deletes what others own', UNTOUCHED, (honest, stranger) => ({
    volumes: {
      async delete(id, call) {
        await honest.volumes.delete(id, call)
        await stranger.volumes.delete(id, call)
      },
    },
  })),
  provider('takes over what others own', UNTOUCHED, (honest, stranger) => ({
    volumes: {
      create: (spec, call) =>
        despite(
          'CONFLICT',
          () => honest.volumes.create(spec, call),
          async (error) => {
            const theirs = await stranger.volumes.get(spec.id, call)
            if (theirs?.bytes === spec.bytes) return theirs
            throw error
          },
        ),
    },
  })),
  provider('gives access to what others own', UNTOUCHED, (honest, stranger) => ({
    access: {
      expose: (exposure, call) =>
        despite(
          'NOT_FOUND',
          () => honest.access.expose(exposure, call),
          (error) => {
            if (exposure.source.kind === 'volume') return stranger.access.expose(exposure, call)
            throw error
          },
        ),
    },
  })),
  provider(
    'takes away the access that others gave',
    'access that another installation gave is not taken away by us',
    (honest, stranger) => ({
      access: {
        async withdraw(access, call) {
          await honest.access.withdraw(access, call)
          await stranger.access.withdraw(access, call)
        },
      },
    }),
  ),
  provider('grows what others own', UNCHANGED, (honest, stranger) => ({
    resize: {
      grow: (id, bytes, call) =>
        despite(
          'NOT_FOUND',
          () => honest.resize.grow(id, bytes, call),
          () => stranger.resize.grow(id, bytes, call),
        ),
    },
  })),
  provider('changes the QoS of what others own, and denies it', UNCHANGED, (honest, stranger) => ({
    qos: {
      apply: (id, qos, call) =>
        despite(
          'NOT_FOUND',
          () => honest.qos.apply(id, qos, call),
          async (error) => {
            await failureOf(stranger.qos.apply(id, qos, call))
            throw error
          },
        ),
    },
  })),
  provider('takes snapshots of what others own', UNCHANGED, (honest, stranger) => ({
    snapshots: {
      create: (spec, call) =>
        despite(
          'NOT_FOUND',
          () => honest.snapshots.create(spec, call),
          () => stranger.snapshots.create(spec, call),
        ),
    },
  })),
  provider('deletes the snapshots of others', UNCHANGED, (honest, stranger) => ({
    snapshots: {
      async delete(id, call) {
        await honest.snapshots.delete(id, call)
        await stranger.snapshots.delete(id, call)
      },
    },
  })),
  provider('reverts what others own', UNCHANGED, (honest, stranger) => ({
    revert: {
      revert: (id, to, call) =>
        despite(
          'NOT_FOUND',
          () => honest.revert.revert(id, to, call),
          () => stranger.revert.revert(id, to, call),
        ),
    },
  })),
  provider(
    'shows the counters of what others own',
    'no facet reads, copies or shows what another installation owns',
    (honest, stranger) => ({
      stats: {
        read: (id, call) =>
          despite(
            'NOT_FOUND',
            () => honest.stats.read(id, call),
            () => stranger.stats.read(id, call),
          ),
      },
    }),
  ),
  provider(
    'lets snapshots of others be read',
    'no facet reads, copies or shows what another installation owns',
    (honest, stranger) => ({
      access: {
        expose: (exposure, call) =>
          exposure.source.kind === 'volume'
            ? honest.access.expose(exposure, call)
            : despite(
                'NOT_FOUND',
                () => honest.access.expose(exposure, call),
                () => stranger.access.expose(exposure, call),
              ),
      },
    }),
  ),
]
