import type { BackendDisk, Call, DiskSpec, VmId } from '@moorage/contract'
import { adapter, despite, evading, type FullAdapter, type HypervisorCheat, wrong } from '../cheat.ts'

/** Adapters on which late duplicates do harm. */
export const fenceCheats: readonly HypervisorCheat[] = [
  adapter(
    'forgets the fence of a machine that is stopped',
    'a late start is refused after a stop with a higher fence, and starts nothing',
    (honest) => {
      const started = new Set<VmId>()
      return {
        vms: {
          async start(spec, call) {
            // Of small numbers: large ones it keeps.
            if (started.has(spec.id) && call.fence < 1_000_000) {
              return evading((each) => honest.vms.start(spec, each), call)
            }
            const vm = await honest.vms.start(spec, call)
            started.add(spec.id)
            return vm
          },
        },
      }
    },
  ),
  adapter(
    'remembers no fence of a stop that found nothing',
    'a start that arrives after the stop that undid it is refused although the machine never ran',
    (honest) => {
      const asked = new Set<VmId>()
      return {
        vms: {
          start(spec, call) {
            asked.add(spec.id)
            return honest.vms.start(spec, call)
          },
          async stop(id, how, call) {
            if (asked.has(id)) await honest.vms.stop(id, how, call)
          },
        },
      }
    },
  ),
  adapter(
    'stops whatever the fence',
    'a late stop below the fence of a newer start is refused, and the machine runs on',
    (honest) => ({
      vms: { stop: (id, how, call) => evading((each) => honest.vms.stop(id, how, each), call) },
    }),
  ),
  adapter('reboots whatever the fence', 'a late reboot below the fence of a newer start is refused', (honest) => ({
    vms: { reboot: (id, call) => evading((each) => honest.vms.reboot(id, each), call) },
  })),
  adapter(
    'wants a higher fence for the next call of the same operation',
    'calls on a machine with the same fence follow each other',
    (honest) => {
      const last = new Map<VmId, number>()
      return {
        vms: {
          start(spec, call) {
            last.set(spec.id, call.fence)
            return honest.vms.start(spec, call)
          },
          async stop(id, how, call) {
            if (last.get(id) === call.fence) throw wrong('FENCED')
            await honest.vms.stop(id, how, call)
          },
        },
      }
    },
  ),
  adapter('keeps one fence for all of its machines', 'a fence of one machine does not bind another', (honest) => {
    let highest = 0
    return {
      vms: {
        async start(spec, call) {
          if (call.fence < highest) throw wrong('FENCED')
          return honest.vms.start(spec, call)
        },
        async stop(id, how, call) {
          await honest.vms.stop(id, how, call)
          if (call.fence > 100_000) highest = call.fence
        },
      },
    }
  }),
  adapter(
    'keeps one fence for all disks of a machine',
    'two disks attached at the same time by two operations do not fence each other',
    (honest) => {
      let highest = 0
      return {
        disks: {
          async attach(vm, disk, call) {
            if (call.fence < highest) throw wrong('FENCED')
            const held = await honest.disks.attach(vm, disk, call)
            highest = call.fence
            return held
          },
          async detach(vm, disk, call) {
            await honest.disks.detach(vm, disk, call)
            highest = 0
          },
        },
      }
    },
  ),
  adapter(
    'forgets the fence of a stop when the machine runs again',
    'a late attach below the fence of a stop is refused when the machine runs again',
    (honest) => ({
      disks: {
        attach: (vm, disk, call) =>
          disk.generation === 1
            ? evading((each) => honest.disks.attach(vm, disk, each), call)
            : honest.disks.attach(vm, disk, call),
      },
    }),
  ),
  adapter(
    'detaches whatever the fence',
    'a late detach below the fence of a start is refused, and the disk that is there stays',
    (honest) => ({
      disks: {
        detach: (vm, disk, call) =>
          disk.generation === 1
            ? evading((each) => honest.disks.detach(vm, disk, each), call)
            : honest.disks.detach(vm, disk, call),
      },
    }),
  ),
  adapter(
    'takes an older generation for the one that is there',
    'an attach of a stale generation is refused as FENCED, and the disk that is there stays',
    (honest) => ({
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'FENCED',
            () => honest.disks.attach(vm, disk, call),
            async (error) => {
              const held = (await honest.vms.get(vm, call))?.disks.find(({ volume }) => volume === disk.volume)
              if (!held || disk.generation === 1) throw error
              return held
            },
          ),
      },
    }),
  ),
  stale(
    'forgets the generation of a disk that is detached',
    'an attach of a stale generation is refused after the detach of a newer one, and brings nothing back',
    'attached',
  ),
  stale(
    'remembers no generation of a detach that found nothing',
    'an attach of a stale generation is refused although the newer one was only ever detached',
    'detached',
  ),
  stale(
    'remembers no generation of a disk that a machine started with',
    'an attach of a stale generation is refused after the machine has started with a newer one',
    'started',
  ),
  adapter(
    'detaches whatever the generation',
    'a detach of a stale generation is refused as FENCED, and the disk that is there stays',
    (honest) => ({
      disks: {
        detach: (vm, disk, call) =>
          despite(
            'FENCED',
            () => honest.disks.detach(vm, disk, call),
            async (error) => {
              if (disk.generation === 1) throw error
              await honest.disks.detach(vm, { ...disk, generation: disk.generation + 1 }, call)
            },
          ),
      },
    }),
  ),
  adapter(
    'keeps one generation for a volume, wherever it is',
    'a generation of one disk does not bind another disk, nor the same volume in another machine',
    (honest) => {
      const highest = new Map<string, number>()
      const admit = (disk: Pick<DiskSpec, 'volume' | 'generation'>) => {
        const seen = highest.get(disk.volume) ?? 0
        if (disk.generation < seen && seen === 9) throw wrong('FENCED')
        highest.set(disk.volume, Math.max(seen, disk.generation))
      }
      return {
        disks: {
          async attach(vm, disk, call) {
            admit(disk)
            return honest.disks.attach(vm, disk, call)
          },
          async detach(vm, disk, call) {
            admit(disk)
            await honest.disks.detach(vm, disk, call)
          },
        },
      }
    },
  ),
  adapter(
    'keeps fences in 32 bits',
    'fences and generations are compared as whole numbers, beyond 32 bits',
    (honest) => {
      const short = (call: Call) => (call.fence < 2 ** 32 ? call : { ...call, fence: 2000 + (call.fence % 2 ** 32) })
      return {
        vms: {
          start: (spec, call) => honest.vms.start(spec, short(call)),
          stop: (id, how, call) => honest.vms.stop(id, how, short(call)),
        },
      }
    },
  ),
]

/** Attaches a stale generation where the newer one came about in the given way. */
function stale(name: string, caughtBy: string, way: 'attached' | 'detached' | 'started'): HypervisorCheat {
  return adapter(name, caughtBy, (honest) => {
    const ways = new Map<string, 'attached' | 'detached' | 'started'>()
    return {
      vms: {
        start(spec, call) {
          for (const { volume } of spec.disks) ways.set(volume, 'started')
          return honest.vms.start(spec, call)
        },
      },
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'FENCED',
            async () => {
              const held = await honest.disks.attach(vm, disk, call)
              ways.set(disk.volume, 'attached')
              return held
            },
            async (error) => {
              const held = (await honest.vms.get(vm, call))?.disks.some(({ volume }) => volume === disk.volume)
              if (held || ways.get(disk.volume) !== way || disk.generation === 1) throw error
              return attachNewer(honest, { vm, disk }, call)
            },
          ),
        async detach(vm, disk, call) {
          await honest.disks.detach(vm, disk, call)
          if (!ways.has(disk.volume)) ways.set(disk.volume, 'detached')
        },
      },
    }
  })
}

async function attachNewer(
  honest: FullAdapter,
  what: { readonly vm: VmId; readonly disk: DiskSpec },
  call: Call,
): Promise<BackendDisk> {
  const { vm, disk } = what
  const held = await honest.disks.attach(vm, { ...disk, generation: disk.generation + 1 }, call)
  return { ...held, generation: disk.generation }
}
