import type { BackendVm, DiskSpec, HypervisorInventoryItem, VmId, VmSpec } from '@moorage/contract'
import { adapter, despite, type FullAdapter, type HypervisorCheat, isLate, wrong } from '../cheat.ts'

/** Adapters that lie about machines. */
export const vmCheats: readonly HypervisorCheat[] = [
  adapter('answers a start before it knows whose it was', 'a started machine runs and is found by its id', (honest) => {
    const state = { starts: 0, others: 0 }
    return {
      vms: {
        start(spec, call) {
          state.starts += 1
          return honest.vms.start(spec, call)
        },
        // Found out when the machine is asked for while nothing else was ever done with it.
        async get(id, call) {
          const vm = await honest.vms.get(id, call)
          const plain = vm?.state === 'running' && state.starts === 1 && state.others === 0 && vm.disks.length === 0
          return plain ? { ...vm, state: 'paused' } : vm
        },
        async stop(id, how, call) {
          state.others += 1
          await honest.vms.stop(id, how, call)
        },
      },
      disks: {
        attach(vm, disk, call) {
          state.others += 1
          return honest.disks.attach(vm, disk, call)
        },
      },
    }
  }),
  adapter(
    'does not know a machine by the key of another call',
    'starting again is the same machine, once',
    (honest) => {
      const keys = new Map<VmId, string[]>()
      return {
        vms: {
          async start(spec, call) {
            const seen = keys.get(spec.id) ?? []
            keys.set(spec.id, [...seen, call.key])
            const vm = await honest.vms.start(spec, call)
            return seen.length === 2 && seen[0] === seen[1] && seen[0] !== call.key ? { ...vm, state: 'stopped' } : vm
          },
        },
      }
    },
  ),
  adapter(
    'starts a machine for each of many that ask at once',
    'five simultaneous starts of one machine are one machine',
    (honest) => {
      let asking = 0
      return {
        vms: {
          async start(spec, call) {
            const at = ++asking
            try {
              const vm = await honest.vms.start(spec, call)
              return at > 1 ? { ...vm, state: 'paused' } : vm
            } finally {
              asking -= 1
            }
          },
        },
      }
    },
  ),
  adapter(
    'takes a machine of another size for the same',
    'starting a running machine with another size is refused as CONFLICT, and it runs on',
    (honest) => ({
      vms: {
        start: (spec, call) =>
          despite(
            'CONFLICT',
            () => honest.vms.start(spec, call),
            async (error) => {
              const there = await honest.vms.get(spec.id, call)
              if (there) return there
              throw error
            },
          ),
      },
    }),
  ),
  adapter(
    'throws for a machine that was never there',
    'asking for a machine that was never there answers nothing',
    (honest, stranger) => {
      const asked = new Set<VmId>()
      return {
        vms: {
          start(spec, call) {
            asked.add(spec.id)
            return honest.vms.start(spec, call)
          },
          async get(id, call) {
            const found = await honest.vms.get(id, call)
            if (found) asked.add(id)
            if (found || asked.has(id) || (await stranger.vms.get(id, call))) return found
            throw wrong('NOT_FOUND')
          },
        },
      }
    },
  ),
  adapter(
    'cannot stop what does not run',
    'stopping what does not run succeeds, and so does stopping twice',
    (honest) => {
      const stops = new Set<string>()
      return {
        vms: {
          async stop(id, how, call) {
            if (stops.has(`${id} ${call.key}`)) throw wrong('NOT_FOUND')
            stops.add(`${id} ${call.key}`)
            await honest.vms.stop(id, how, call)
          },
        },
      }
    },
  ),
  adapter('numbers the disks of a machine as it likes', 'a machine starts with its disks', (honest) => ({
    vms: {
      async start(spec, call) {
        const vm = await honest.vms.start(spec, call)
        const [disk] = vm.disks
        return disk && vm.disks.length === 1 && disk.generation === 4 ? { ...vm, disks: [{ ...disk, bytes: 0 }] } : vm
      },
    },
  })),
  adapter(
    'leaves a machine behind when a disk cannot be opened',
    'a start of which a disk cannot be opened fails and leaves nothing, no machine and no session',
    (honest) => ({
      vms: {
        async start(spec, call) {
          try {
            return await honest.vms.start(spec, call)
          } catch (error) {
            if (spec.disks.length > 1) await honest.vms.start({ ...spec, disks: spec.disks.slice(0, 1) }, call)
            throw error
          }
        },
      },
    }),
  ),
  adapter(
    'answers a stop before the sessions are closed',
    'stopping a machine closes the sessions of its disks',
    (honest) => {
      const [late, specs, moving] = [new Set<VmId>(), new Map<VmId, VmSpec>(), new Set<VmId>()]
      return {
        vms: {
          async start(spec, call) {
            if (late.delete(spec.id)) await honest.vms.stop(spec.id, { force: true }, call)
            const vm = await honest.vms.start(spec, call)
            specs.set(spec.id, spec)
            return vm
          },
          async get(id, call) {
            const vm = await honest.vms.get(id, call)
            return late.has(id) ? undefined : vm
          },
          async stop(id, how, call) {
            const spec = specs.get(id)
            const waited = isLate(call) || call.signal.aborted || late.has(id) || moving.has(id)
            // One machine with one disk.
            if (spec?.disks.length === 1 && specs.size === 1 && how.force && !waited) late.add(id)
            else {
              await honest.vms.stop(id, how, call)
              late.delete(id)
            }
          },
        },
        migration: {
          describe(vm, call) {
            moving.add(vm)
            return honest.migration.describe(vm, call)
          },
        },
        inventory: hiding(honest, late),
      }
    },
  ),
  adapter(
    'starts a machine with the disks that it had',
    'a stopped machine starts again with other disks',
    (honest) => {
      const disks = new Map<VmId, readonly DiskSpec[]>()
      return {
        vms: {
          start(spec, call) {
            const had = disks.get(spec.id) ?? spec.disks
            disks.set(spec.id, had)
            const same = had.length === spec.disks.length && had[0]?.volume !== spec.disks[0]?.volume
            const taken = same ? had.map((disk) => ({ ...disk, generation: 9 })) : spec.disks
            return honest.vms.start({ ...spec, disks: taken }, call)
          },
        },
      }
    },
  ),
  adapter('stops every machine that has a disk', 'stopping one machine leaves another and its disk alone', (honest) => {
    const running = new Set<VmId>()
    return {
      vms: {
        async start(spec, call) {
          const vm = await honest.vms.start(spec, call)
          if (spec.disks.length === 1) running.add(spec.id)
          return vm
        },
        async stop(id, how, call) {
          await honest.vms.stop(id, how, call)
          if (!running.delete(id)) return
          for (const other of running) await honest.vms.stop(other, how, call)
        },
      },
    }
  }),
  adapter(
    'says that a guest has stopped that runs on',
    'asking a guest to stop ends with no machine, or with an error and a machine that runs on',
    (honest) => ({
      vms: {
        async stop(id, how, call) {
          if (how.force) await honest.vms.stop(id, how, call)
        },
      },
    }),
  ),
  adapter(
    'gives all disks one device',
    'a machine starts with all of its disks, each with a device of its own',
    (honest) => {
      const one = (vm: BackendVm): BackendVm =>
        vm.disks.length === 3 ? { ...vm, disks: vm.disks.map((disk) => ({ ...disk, device: 'vda' })) } : vm
      return {
        vms: {
          start: async (spec, call) => one(await honest.vms.start(spec, call)),
          async get(id, call) {
            const vm = await honest.vms.get(id, call)
            return vm && one(vm)
          },
        },
      }
    },
  ),
  adapter(
    'passes a name on as it is',
    'a name of a machine may have any letters, and changes nothing else',
    (honest) => ({
      vms: {
        async start(spec, call) {
          if (spec.name.includes(',')) throw wrong('INVALID')
          return honest.vms.start(spec, call)
        },
      },
    }),
  ),
  adapter(
    'loses what stands at the border of two pages',
    'the inventory lists each machine and each disk exactly once, however many pages it takes',
    (honest) => ({
      inventory: {
        async list(cursor, call) {
          const { items } = await honest.inventory.list(undefined, call)
          const start = Number(cursor ?? 0)
          if (items.length !== 9) return { items }
          return { items: items.slice(start, start + 4), ...(start + 5 < items.length && { next: String(start + 5) }) }
        },
      },
    }),
  ),
  adapter('loses the disks in a reboot', 'a reboot keeps the machine and its disks', (honest) => {
    const specs = new Map<VmId, VmSpec>()
    return {
      vms: {
        async start(spec, call) {
          const vm = await honest.vms.start(spec, call)
          if (spec.disks.length === 1) specs.set(spec.id, spec)
          return vm
        },
        async reboot(id, call) {
          const spec = specs.get(id)
          const vm = await honest.vms.reboot(id, call)
          if (!spec || call.fence < 1000) return vm
          await honest.vms.stop(id, { force: true }, call)
          return honest.vms.start({ ...spec, disks: [] }, call)
        },
      },
    }
  }),
  adapter(
    'starts what it is to reboot',
    'rebooting a machine that does not run is refused as NOT_FOUND',
    (honest, stranger) => ({
      vms: {
        reboot: (id, call) =>
          despite(
            'NOT_FOUND',
            () => honest.vms.reboot(id, call),
            async (error) => {
              if (await stranger.vms.get(id, call)) throw error
              return { id, state: 'running', disks: [] }
            },
          ),
      },
    }),
  ),
]

function hiding(honest: FullAdapter, hidden: ReadonlySet<VmId>): FullAdapter['inventory'] {
  const shown = (item: HypervisorInventoryItem) =>
    item.owner !== 'ours' || !(item.kind === 'vm' ? hidden.has(item.id) : item.kind === 'disk' && hidden.has(item.vm))
  return {
    async list(cursor, call) {
      const page = await honest.inventory.list(cursor, call)
      return { ...page, items: page.items.filter(shown) }
    },
  }
}
