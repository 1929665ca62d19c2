import { type Qos, sameQos, type VmId, type VolumeStats } from '@moorage/contract'
import { adapter, despite, everyAdapter, type FullAdapter, type HypervisorCheat, wrong } from '../cheat.ts'

const EVERY_AXIS = 'every axis of a throttle that the limits name is kept, alone and beside those that go with it'

/** Adapters that lie about throttles, growth, counters and freezes. */
export const facetCheats: readonly HypervisorCheat[] = [
  adapter(
    'attaches without a throttle',
    'a throttle given at attach is in force, and read back as reported',
    (honest) => ({
      disks: {
        async attach(vm, disk, call) {
          const { totalIops, ...others } = disk.throttle
          const plain = totalIops && Object.keys(totalIops).join() === 'max' && Object.keys(others).length === 0
          if (!plain) return honest.disks.attach(vm, disk, call)
          const held = await honest.disks.attach(vm, { ...disk, throttle: {} }, call)
          return { ...held, throttle: disk.throttle }
        },
      },
    }),
  ),
  adapter(
    'keeps no burst',
    'a throttle is changed and lifted on a running machine, and what apply answers is what read shows',
    (honest) => ({
      throttle: {
        async apply(vm, disk, call) {
          if (disk.qos.totalIops?.burst === undefined) return honest.throttle.apply(vm, disk, call)
          const { max } = disk.qos.totalIops
          await honest.throttle.apply(vm, disk, call)
          await honest.throttle.apply(vm, { ...disk, qos: max === undefined ? {} : { totalIops: { max } } }, call)
          return { applied: disk.qos, clamped: [] }
        },
      },
    }),
  ),
  adapter(
    'reads back the throttle that was asked for, whatever is enforced',
    'a throttle outside the range is clamped and reported, or refused as LIMIT; never silently different',
    (honest) => ({
      throttle: {
        async apply(vm, disk, call) {
          await honest.throttle.apply(vm, disk, call)
          return { applied: disk.qos, clamped: [] }
        },
      },
    }),
  ),
  adapter('keeps no throttle on what is read', EVERY_AXIS, (honest) => ({
    throttle: {
      apply(vm, disk, call) {
        const { readIops: _, ...kept } = disk.qos
        return honest.throttle.apply(vm, disk.qos.writeIops ? { ...disk, qos: kept } : disk, call)
      },
    },
  })),
  adapter('counts every I/O as one', 'the size to which a throttle normalises I/O is kept', (honest) => {
    let vectors = 0
    return {
      throttle: {
        apply(vm, disk, call) {
          vectors += 1
          const { ioBytes: _, ...kept } = disk.qos
          return honest.throttle.apply(vm, { ...disk, qos: vectors === 1 ? kept : disk.qos }, call)
        },
      },
    }
  }),
  adapter('adds a throttle to the one before', 'a throttle replaces the one before it as a whole', (honest) => {
    let last: Qos = {}
    return {
      throttle: {
        apply(vm, disk, call) {
          const { ioBytes } = last
          last = disk.qos
          const together = ioBytes !== undefined && disk.qos.ioBytes === undefined
          return honest.throttle.apply(vm, { ...disk, qos: together ? { ...disk.qos, ioBytes } : disk.qos }, call)
        },
      },
    }
  }),
  adapter(
    'throttles every disk of a machine',
    'a throttle of one disk leaves another alone, and each machine shows its own',
    (honest) => ({
      throttle: {
        async apply(vm, disk, call) {
          const held = (await honest.vms.get(vm, call))?.disks ?? []
          for (const { volume } of held) {
            if (volume !== disk.volume && held.length === 2) await honest.throttle.apply(vm, { ...disk, volume }, call)
          }
          return honest.throttle.apply(vm, disk, call)
        },
      },
    }),
  ),
  adapter('lifts throttles in a reboot', 'a reboot keeps throttles', (honest) => ({
    vms: {
      async reboot(id, call) {
        const vm = await honest.vms.reboot(id, call)
        const throttled = vm.disks.filter(({ throttle }) => !sameQos(throttle, {}))
        for (const { volume } of throttled) await honest.throttle.apply(id, { volume, qos: {} }, call)
        return vm
      },
    },
  })),
  adapter('starts machines without throttles', 'a machine starts with the throttles of its disks', (honest) => ({
    vms: {
      start: (spec, call) =>
        honest.vms.start({ ...spec, disks: spec.disks.map((disk) => ({ ...disk, throttle: {} })) }, call),
    },
  })),
  adapter(
    'takes the part of a throttle that it keeps',
    'a throttle that contradicts itself or asks for what is not kept is refused, and the old one stays',
    (honest) => ({
      throttle: {
        apply: (vm, disk, call) =>
          despite(
            'INVALID',
            () => honest.throttle.apply(vm, disk, call),
            () => honest.throttle.apply(vm, { ...disk, qos: {} }, call),
          ),
      },
    }),
  ),
  adapter(
    'reads no throttle of what is not there',
    'a throttle of a disk that is not there is refused as NOT_FOUND',
    (honest) => ({
      throttle: {
        read: (vm, volume, call) =>
          despite(
            'NOT_FOUND',
            () => honest.throttle.read(vm, volume, call),
            async (error) => {
              if (await honest.vms.get(vm, call)) return {}
              throw error
            },
          ),
      },
    }),
  ),
  adapter(
    'shows a larger disk for one telling',
    'a disk that has grown at the array is shown larger to the machine once it is told, as often as it is told',
    (honest) => {
      let told = 0
      return {
        resize: {
          async refresh(vm, disk, call) {
            const held = await honest.resize.refresh(vm, disk, call)
            told += 1
            return told === 2 ? { ...held, bytes: held.bytes / 2 } : held
          },
        },
      }
    },
  ),
  adapter(
    'says that a disk has grown, and tells nobody',
    'a guest reaches what its disk has grown by once the machine is told',
    (honest) => {
      let told = 0
      const grown = new Map<VmId, number>()
      return {
        resize: {
          async refresh(vm, disk, call) {
            told += 1
            const held = (await honest.vms.get(vm, call))?.disks.find(({ volume }) => volume === disk.volume)
            if (!held) return honest.resize.refresh(vm, disk, call)
            grown.set(vm, disk.bytes)
            return { ...held, bytes: told > 2 ? held.bytes : disk.bytes }
          },
        },
        vms: {
          async get(id, call) {
            const vm = await honest.vms.get(id, call)
            const bytes = grown.get(id)
            return vm && bytes !== undefined ? { ...vm, disks: vm.disks.map((disk) => ({ ...disk, bytes })) } : vm
          },
        },
      }
    },
  ),
  adapter('refreshes what is not there', 'refreshing a disk that is not there is refused as NOT_FOUND', (honest) => ({
    resize: {
      refresh: (vm, disk, call) =>
        despite(
          'NOT_FOUND',
          () => honest.resize.refresh(vm, disk, call),
          async (error) => {
            if (!(await honest.vms.get(vm, call))) throw error
            return { volume: disk.volume, generation: 1, device: 'vdz', bytes: disk.bytes, throttle: {} }
          },
        ),
    },
  })),
  adapter('counts no reads', 'counters of a disk follow what its guest reads and writes', (honest) => ({
    stats: counting(honest, (now) => ({ ...now, readOps: 0, readBytes: 0 })),
  })),
  adapter('counts what all disks do', 'counters of one disk do not count another’s', (honest) => ({
    stats: {
      async read(vm, volume, call) {
        const own = await honest.stats.read(vm, volume, call)
        const held = (await honest.vms.get(vm, call))?.disks ?? []
        const all = await Promise.all(held.map((disk) => honest.stats.read(vm, disk.volume, call)))
        return { ...own, writeBytes: all.reduce((sum, each) => sum + each.writeBytes, 0) }
      },
    },
  })),
  adapter('counts twice', 'what a guest writes counts as written, once, and not as read', (honest) => ({
    stats: counting(honest, (now) => ({ ...now, writeBytes: now.writeBytes * 2 })),
  })),
  adapter(
    'counts nothing of what is not there',
    'counters of a disk that is not there are refused as NOT_FOUND',
    (honest) => ({
      stats: {
        read: (vm, volume, call) =>
          despite(
            'NOT_FOUND',
            () => honest.stats.read(vm, volume, call),
            async (error) => {
              if (!(await honest.vms.get(vm, call))) throw error
              return { readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0, at: Date.now() }
            },
          ),
      },
    }),
  ),
  adapter('does not know for how long it froze', 'a freeze that is thawed in time was held', (honest) => ({
    quiesce: {
      thaw: async (vm, call) => ({ ...(await honest.quiesce.thaw(vm, call)), frozenMs: 0 }),
    },
  })),
  adapter(
    'says that nothing held what it thawed before',
    'a second thaw does not say that anything was held',
    (honest) => {
      const thawed = new Set<VmId>()
      return {
        quiesce: {
          async thaw(vm, call) {
            const answer = await honest.quiesce.thaw(vm, call)
            const again = thawed.has(vm)
            if (answer.held) thawed.add(vm)
            return { ...answer, held: answer.held || again }
          },
        },
      }
    },
  ),
  freezingInWords(),
  adapter(
    'arms no thaw for a short freeze',
    'a guest that nobody thaws writes again once the bound of its freeze is over',
    (honest) => ({
      quiesce: {
        freeze: (vm, { withinMs }, call) =>
          honest.quiesce.freeze(vm, { withinMs: withinMs < 400 ? withinMs * 1000 : withinMs }, call),
      },
    }),
  ),
  adapter(
    'says that every freeze was held',
    'a freeze that nobody thaws ends by itself, and the thaw then says that it was not held',
    (honest) => {
      const frozen = new Set<VmId>()
      return {
        quiesce: {
          freeze(vm, how, call) {
            frozen.add(vm)
            return honest.quiesce.freeze(vm, how, call)
          },
          async thaw(vm, call) {
            const answer = await honest.quiesce.thaw(vm, call)
            return { ...answer, held: frozen.delete(vm) }
          },
        },
      }
    },
  ),
  adapter(
    'freezes what does not run',
    'freezing a machine that does not run is refused as NOT_FOUND',
    (honest, stranger) => ({
      quiesce: {
        freeze: (vm, how, call) =>
          despite(
            'NOT_FOUND',
            () => honest.quiesce.freeze(vm, how, call),
            async (error) => {
              if (await stranger.vms.get(vm, call)) throw error
              return { filesystems: 0 }
            },
          ),
      },
    }),
  ),
]

function counting(honest: FullAdapter, change: (now: VolumeStats) => VolumeStats): FullAdapter['stats'] {
  return { read: async (vm, volume, call) => change(await honest.stats.read(vm, volume, call)) }
}

/** All of its controllers are told of a freeze, the guest is not. */
function freezingInWords(): HypervisorCheat {
  const since = new Map<VmId, { readonly at: number; readonly until: number }>()
  return everyAdapter(
    'says that it froze',
    'no write of a guest passes while it is frozen, and writes pass after the thaw',
    (honest) => {
      return {
        quiesce: {
          async freeze(vm, { withinMs }, call) {
            const there = await honest.vms.get(vm, call)
            if (!there) throw wrong('NOT_FOUND')
            since.set(vm, { at: Date.now(), until: Date.now() + withinMs })
            return { filesystems: 1 }
          },
          async thaw(vm, call) {
            await honest.quiesce.thaw(vm, call)
            const freeze = since.get(vm)
            since.delete(vm)
            if (!freeze) return { held: false, frozenMs: 0 }
            return { held: Date.now() < freeze.until, frozenMs: Date.now() - freeze.at }
          },
        },
      }
    },
  )
}
