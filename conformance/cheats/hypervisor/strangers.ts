import { allPages } from '../../check.ts'
import { adapter, despite, type HypervisorCheat } from '../cheat.ts'

const LISTED = 'machines and disks of another installation are listed as foreign, and ours as foreign to it'
const UNTOUCHED = 'machines of another installation are not found, not stopped, not rebooted and not taken over'
const DISKS = 'machines of another installation are given no disk and lose none'
const FACETS = 'no facet reads or changes a machine of another installation'

/** Adapters that mind nobody's mark. */
export const strangerCheats: readonly HypervisorCheat[] = [
  adapter('does not count the disks of others', LISTED, (honest) => ({
    inventory: {
      async list(cursor, call) {
        const page = await honest.inventory.list(cursor, call)
        return { ...page, items: page.items.filter(({ kind, owner }) => kind === 'vm' || owner === 'ours') }
      },
    },
  })),
  adapter('claims what others run', LISTED, (honest, stranger) => ({
    inventory: {
      async list(cursor, call) {
        const page = await honest.inventory.list(cursor, call)
        const mine = await allPages((at) => honest.inventory.list(at, call))
        const theirs = await allPages((at) => stranger.inventory.list(at, call))
        const claimed = mine.some((item) => item.kind === 'vm' && item.owner === 'ours')
          ? theirs.filter(({ owner }) => owner === 'ours')
          : []
        return { ...page, items: [...page.items, ...claimed] }
      },
    },
  })),
  adapter('finds what others run', UNTOUCHED, (honest, stranger) => ({
    vms: { get: async (id, call) => (await honest.vms.get(id, call)) ?? stranger.vms.get(id, call) },
  })),
  adapter('stops what others run', UNTOUCHED, (honest, stranger) => ({
    vms: {
      async stop(id, how, call) {
        const own = await honest.vms.get(id, call)
        await honest.vms.stop(id, how, call)
        if (!own) await stranger.vms.stop(id, how, call)
      },
    },
  })),
  adapter('reboots what others run', UNTOUCHED, (honest, stranger) => ({
    vms: {
      reboot: (id, call) =>
        despite(
          'NOT_FOUND',
          () => honest.vms.reboot(id, call),
          () => stranger.vms.reboot(id, call),
        ),
    },
  })),
  adapter('gives disks to what others run', DISKS, (honest, stranger) => ({
    disks: {
      attach: (vm, disk, call) =>
        despite(
          'NOT_FOUND',
          () => honest.disks.attach(vm, disk, call),
          () => stranger.disks.attach(vm, disk, call),
        ),
    },
  })),
  adapter('takes disks from what others run', DISKS, (honest, stranger) => ({
    disks: {
      async detach(vm, disk, call) {
        await honest.disks.detach(vm, disk, call)
        if (await stranger.vms.get(vm, call)) await stranger.disks.detach(vm, disk, call)
      },
    },
  })),
  adapter('reads the counters of what others run', FACETS, (honest, stranger) => ({
    stats: {
      read: (vm, volume, call) =>
        despite(
          'NOT_FOUND',
          () => honest.stats.read(vm, volume, call),
          () => stranger.stats.read(vm, volume, call),
        ),
    },
  })),
  adapter('freezes what others run', FACETS, (honest, stranger) => ({
    quiesce: {
      freeze: (vm, how, call) =>
        despite(
          'NOT_FOUND',
          () => honest.quiesce.freeze(vm, how, call),
          () => stranger.quiesce.freeze(vm, how, call),
        ),
    },
  })),
]
