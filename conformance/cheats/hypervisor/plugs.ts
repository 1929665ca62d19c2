import { type BackendDisk, type DiskSpec, PluginError, type VmId } from '@moorage/contract'
import { adapter, despite, everyAdapter, type HypervisorCheat, wholeAdapter } from '../cheat.ts'

const STOPPED = 'a machine that is stopped lets go of the disks that were plugged in, and starts again without them'

/** Adapters that treat a disk that is plugged in otherwise than one with which a machine starts, or migrates. */
export const plugCheats: readonly HypervisorCheat[] = [
  everyAdapter(
    'plugs disks in without their serial',
    'a guest sees the serial that was asked for, and every disk its own',
    (honest) => ({
      disks: { attach: (vm, disk, call) => honest.disks.attach(vm, { ...disk, serial: 'disk' }, call) },
    }),
  ),
  adapter(
    'gives one device to disks that come at once',
    'disks attached at the same time are all there, each with a device of its own',
    (honest) => {
      const asking: string[] = []
      return {
        disks: {
          async attach(vm, disk, call) {
            asking.push(disk.volume)
            const alone = asking.every((volume) => volume === disk.volume)
            try {
              const held = await honest.disks.attach(vm, disk, call)
              return alone ? held : { ...held, device: 'next' }
            } finally {
              asking.splice(asking.indexOf(disk.volume), 1)
            }
          },
        },
      }
    },
  ),
  adapter('counts bytes of disks in 32 bits', 'a disk of more than 4 GiB is shown with its size', (honest) => ({
    disks: {
      async attach(vm, disk, call) {
        const held = await honest.disks.attach(vm, disk, call)
        return { ...held, bytes: held.bytes % 2 ** 32 }
      },
    },
  })),
  adapter(
    'starts a machine with every disk for writing',
    'a machine that starts with a disk for reading does not write it',
    (honest) => ({ vms: { start: (spec, call) => honest.vms.start({ ...spec, disks: writable(spec.disks) }, call) } }),
  ),
  adapter('plugs in again what a machine had before it was stopped', STOPPED, (honest) => {
    const plugged = new Map<VmId, DiskSpec>()
    const stopped = new Set<VmId>()
    return {
      vms: {
        start(spec, call) {
          const disk = stopped.has(spec.id) && spec.disks.length === 0 ? plugged.get(spec.id) : undefined
          return honest.vms.start(disk ? { ...spec, disks: [disk] } : spec, call)
        },
        async stop(id, how, call) {
          await honest.vms.stop(id, how, call)
          stopped.add(id)
        },
      },
      disks: {
        async attach(vm, disk, call) {
          const held = await honest.disks.attach(vm, disk, call)
          plugged.set(vm, disk)
          return held
        },
        async detach(vm, disk, call) {
          await honest.disks.detach(vm, disk, call)
          plugged.delete(vm)
        },
      },
    }
  }),
  adapter('unplugs what was plugged in when it is asked to start again', STOPPED, (honest) => {
    const plugged = new Map<VmId, DiskSpec>()
    return {
      vms: {
        async start(spec, call) {
          const disk = plugged.get(spec.id)
          const vm = await honest.vms.start(spec, call)
          if (!disk || vm.disks.length === 0) return vm
          await honest.disks.detach(spec.id, disk, call)
          return { ...vm, disks: [] }
        },
      },
      disks: {
        async attach(vm, disk, call) {
          const held = await honest.disks.attach(vm, disk, call)
          plugged.set(vm, disk)
          return held
        },
      },
    }
  }),
  adapter(
    'takes a machine that was stopped for one that runs',
    'attaching to a machine that does not run is refused as NOT_FOUND and opens no session',
    (honest) => {
      const stopped = new Set<VmId>()
      return {
        vms: {
          async stop(id, how, call) {
            await honest.vms.stop(id, how, call)
            stopped.add(id)
          },
        },
        disks: {
          attach: (vm, disk, call) =>
            despite(
              'NOT_FOUND',
              () => honest.disks.attach(vm, disk, call),
              (error) => {
                if (stopped.has(vm)) return later(disk)
                throw error
              },
            ),
        },
      }
    },
  ),
  adapter(
    'says that it rebooted a machine that was stopped',
    'rebooting a machine that does not run is refused as NOT_FOUND',
    (honest) => {
      const stopped = new Set<VmId>()
      return {
        vms: {
          async stop(id, how, call) {
            const there = await honest.vms.get(id, call)
            await honest.vms.stop(id, how, call)
            if (there) stopped.add(id)
          },
          reboot: (id, call) =>
            despite(
              'NOT_FOUND',
              () => honest.vms.reboot(id, call),
              (error) => {
                if (stopped.has(id)) return { id, state: 'running', disks: [] }
                throw error
              },
            ),
        },
      }
    },
  ),
  adapter(
    'shows the secret with which it could not log in',
    'an attach that the array does not let in fails and leaves nothing, and the machine runs on',
    (honest) => ({
      disks: {
        async attach(vm, disk, call) {
          try {
            return await honest.disks.attach(vm, disk, call)
          } catch (error) {
            const refused = error instanceof PluginError && ['DENIED', 'UNAVAILABLE'].includes(error.code)
            if (!refused || disk.connection.via !== 'iscsi') throw error
            throw new PluginError(error.code, `cannot log in with ${disk.connection.chap?.secret}`, error.effect, error)
          }
        },
      },
    }),
  ),
  wholeAdapter({
    name: 'prepares a machine without throttles',
    caughtBy: ['a migrated machine has the throttles of its disks, on the devices where they were'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        prepare: (spec, description, call) =>
          honest.migration.prepare(
            { ...spec, disks: spec.disks.map((disk) => ({ ...disk, throttle: {} })) },
            description,
            call,
          ),
      },
    }),
  }),
  wholeAdapter({
    name: 'prepares a machine with every disk for writing',
    caughtBy: ['a disk for reading is one for reading after a migration, too'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        prepare: (spec, description, call) =>
          honest.migration.prepare({ ...spec, disks: writable(spec.disks) }, description, call),
      },
    }),
  }),
  wholeAdapter({
    name: 'forgets that it was to abandon what it never prepared',
    caughtBy: ['a prepare that arrives after the abandon that undid it is refused although nothing was ever prepared'],
    make(honest) {
      const prepared = new Set<VmId>()
      return {
        ...honest,
        migration: {
          ...honest.migration,
          prepare(spec, description, call) {
            prepared.add(spec.id)
            return honest.migration.prepare(spec, description, call)
          },
          abandon: async (vm, call) => (prepared.has(vm) ? honest.migration.abandon(vm, call) : { arrived: false }),
        },
      }
    },
  }),
  adapter(
    'counts anew when a throttle changes',
    'counters of a disk do not go down while its machine runs, whatever is changed about it',
    (honest) => {
      const changed = new Set<string>()
      return {
        throttle: {
          apply(vm, disk, call) {
            changed.add(disk.volume)
            return honest.throttle.apply(vm, disk, call)
          },
        },
        stats: {
          async read(vm, volume, call) {
            const now = await honest.stats.read(vm, volume, call)
            return changed.has(volume) ? { ...now, writeBytes: 0, writeOps: 0 } : now
          },
        },
      }
    },
  ),
]

function writable(disks: readonly DiskSpec[]): readonly DiskSpec[] {
  return disks.map((disk) => ({ ...disk, mode: 'rw' }))
}

/** What a host says that puts off a disk until its machine runs. */
function later(disk: DiskSpec): BackendDisk {
  const { volume, generation, throttle } = disk
  return { volume, generation, throttle, device: 'later', bytes: 4096 }
}
