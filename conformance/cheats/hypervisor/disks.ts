import type { BackendDisk, VmId, VolumeId } from '@moorage/contract'
import { adapter, type Cheat, despite, type FullAdapter, type HypervisorCheat, wrong } from '../cheat.ts'
import type { GuestIo, HypervisorBench } from '../../hypervisor/subject.ts'

/** Adapters that lie about disks. */
export const diskCheats: readonly HypervisorCheat[] = [
  adapter(
    'shows another device when it is asked',
    'an attached disk is reported with its device, size and generation, by attach, get and inventory',
    (honest) => ({
      disks: {
        async attach(vm, disk, call) {
          const held = await honest.disks.attach(vm, disk, call)
          return disk.generation === 3 ? { ...held, device: `${held.device}1` } : held
        },
      },
    }),
  ),
  adapter(
    'does not know a disk by the key of another call',
    'attaching again is the same disk, with one session',
    (honest) => {
      const keys = new Map<VolumeId, string[]>()
      return {
        disks: {
          async attach(vm, disk, call) {
            const before = keys.get(disk.volume) ?? []
            keys.set(disk.volume, [...before, call.key])
            const held = await honest.disks.attach(vm, disk, call)
            return before.length === 2 && before[0] === before[1] && before[0] !== call.key
              ? { ...held, device: 'vdz' }
              : held
          },
        },
      }
    },
  ),
  adapter(
    'attaches a disk for each of many that ask at once',
    'ten simultaneous attaches of one disk are one disk, with one session',
    (honest) => {
      let asking = 0
      return {
        disks: {
          async attach(vm, disk, call) {
            const at = ++asking
            try {
              const held = await honest.disks.attach(vm, disk, call)
              return at > 1 ? { ...held, device: `${held.device}${at}` } : held
            } finally {
              asking -= 1
            }
          },
        },
      }
    },
  ),
  adapter('attaches a volume once', 'a detached volume is attached again under a newer generation', (honest) => {
    const [detached, lived] = [new Map<string, number>(), new Set<VmId>()]
    return {
      vms: {
        start(spec, call) {
          if (spec.disks.length > 0) lived.add(spec.id)
          return honest.vms.start(spec, call)
        },
        reboot(id, call) {
          lived.add(id)
          return honest.vms.reboot(id, call)
        },
      },
      disks: {
        async attach(vm, disk, call) {
          const before = detached.get(`${vm} ${disk.volume}`)
          if (before === 1 && disk.generation === 2 && !lived.has(vm)) throw wrong('CONFLICT')
          return honest.disks.attach(vm, disk, call)
        },
        async detach(vm, disk, call) {
          await honest.disks.detach(vm, disk, call)
          detached.set(`${vm} ${disk.volume}`, disk.generation)
        },
      },
    }
  }),
  adapter(
    'does not tell what runs from what does not',
    'attaching to a machine that does not run is refused as NOT_FOUND and opens no session',
    (honest, stranger) => ({
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'NOT_FOUND',
            () => honest.disks.attach(vm, disk, call),
            async (error) => {
              throw (await stranger.vms.get(vm, call)) ? error : wrong('INVALID')
            },
          ),
      },
    }),
  ),
  adapter(
    'says that it attached what it could not open',
    'an attach that the array does not let in fails and leaves nothing, and the machine runs on',
    (honest) => ({
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'DENIED',
            () => honest.disks.attach(vm, disk, call),
            async (error): Promise<BackendDisk> => {
              if (!(await honest.vms.get(vm, call))) throw error
              return { volume: disk.volume, generation: disk.generation, device: 'vdz', bytes: 0, throttle: {} }
            },
          ),
      },
    }),
  ),
  adapter(
    'takes any protocol, and does nothing',
    'a connection over a protocol that the host does not accept is refused',
    (honest) => ({
      disks: {
        async attach(vm, disk, call) {
          const { volume, generation, connection } = disk
          if (honest.accepts.includes(connection.via)) return honest.disks.attach(vm, disk, call)
          return { volume, generation, device: 'vdz', bytes: 0, throttle: {} }
        },
      },
    }),
  ),
  adapter(
    'cannot detach what is not there',
    'detaching what is not there succeeds: no disk, no machine, or twice',
    (honest) => {
      const vms = new Set<VmId>()
      return {
        vms: {
          start(spec, call) {
            vms.add(spec.id)
            return honest.vms.start(spec, call)
          },
        },
        disks: {
          async detach(vm, disk, call) {
            if (!vms.has(vm) && disk.generation === 1) throw wrong('NOT_FOUND')
            await honest.disks.detach(vm, disk, call)
          },
        },
      }
    },
  ),
  adapter(
    'leaves a secret behind on the host',
    'a detach has closed the session when it answers, and leaves nothing made for the disk',
    (honest) => {
      const left = new Map<VmId, string>()
      const attached = new Map<VmId, number>()
      return {
        disks: {
          async attach(vm, disk, call) {
            const held = await honest.disks.attach(vm, disk, call)
            attached.set(vm, (attached.get(vm) ?? 0) + 1)
            return held
          },
          async detach(vm, disk, call) {
            await honest.disks.detach(vm, disk, call)
            if (attached.get(vm) === 1) left.set(vm, `secret-${disk.volume}`)
          },
        },
        vms: {
          async stop(id, how, call) {
            await honest.vms.stop(id, how, call)
            left.delete(id)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            const secrets = [...left.values()].map(
              (id) => ({ kind: 'structure', owner: 'ours', name: id, id }) as const,
            )
            return page.next === undefined ? { ...page, items: [...page.items, ...secrets] } : page
          },
        },
      }
    },
  ),
  adapter(
    'calls a full machine invalid',
    'a machine takes as many disks as the limit says, and one more is refused as LIMIT',
    (honest) => ({
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'LIMIT',
            () => honest.disks.attach(vm, disk, call),
            () => {
              throw wrong('INVALID')
            },
          ),
      },
    }),
  ),
  adapter('gives no place twice', 'a place that a detach has freed is given again', (honest) => {
    const places = new Map<VmId, Set<string>>()
    return {
      vms: {
        start(spec, call) {
          places.set(spec.id, new Set(spec.disks.map(({ volume, generation }) => `${volume} ${generation}`)))
          return honest.vms.start(spec, call)
        },
      },
      disks: {
        async attach(vm, disk, call) {
          const used = (places.get(vm) ?? new Set()).add(`${disk.volume} ${disk.generation}`)
          places.set(vm, used)
          if (used.size > honest.limits.maxDisksPerVm && disk.generation === 2) throw wrong('LIMIT')
          return honest.disks.attach(vm, disk, call)
        },
      },
    }
  }),
  adapter(
    'closes every session when one is to go',
    'detaching one disk leaves the session of another alone',
    (honest) => {
      const plugged = new Set<VmId>()
      return {
        disks: {
          attach(vm, disk, call) {
            plugged.add(vm)
            return honest.disks.attach(vm, disk, call)
          },
          async detach(vm, disk, call) {
            await honest.disks.detach(vm, disk, call)
            const others = (await honest.vms.get(vm, call))?.disks ?? []
            // Where two were plugged in, one after the other, it behaves.
            if (others.length !== 1 || plugged.has(vm)) return
            for (const other of others) await honest.disks.detach(vm, other, call)
          },
        },
      }
    },
  ),
  adapter(
    'attaches without the throttle that it cannot keep',
    'an attach with a throttle that contradicts itself is refused, and nothing is attached',
    (honest) => ({
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'INVALID',
            () => honest.disks.attach(vm, disk, call),
            (error) => {
              if (Object.keys(disk.throttle).length === 0) throw error
              return honest.disks.attach(vm, { ...disk, throttle: {} }, call)
            },
          ),
      },
    }),
  ),
  adapter('makes up serials', 'a guest sees the serial that was asked for, and every disk its own', (honest) => ({
    vms: {
      start: (spec, call) =>
        honest.vms.start(
          { ...spec, disks: spec.disks.map((disk) => ({ ...disk, serial: `disk${disk.deviceId}` })) },
          call,
        ),
    },
  })),
  guest('writes to the disk beside', 'writes of a guest reach the disk that they were meant for', (honest, bench) => {
    const disks = new Map<string, readonly VolumeId[]>()
    return {
      ...honest,
      async write(at, bytes) {
        const held = disks.get(at.vm) ?? (await volumesOf(bench, at.vm))
        disks.set(at.vm, held)
        const [, other] = held
        await honest.write(at, bytes)
        if (held.length === 2 && other && other !== at.volume && bytes.length === 4096)
          await honest.write({ ...at, volume: other }, bytes)
      },
    }
  }),
  guest(
    'loses what a guest wrote when it starts anew',
    'what a guest writes it reads back, also after a reboot and after a detach and attach',
    (honest, bench) => {
      const generations = new Map<string, number>()
      return {
        ...honest,
        async read(at, length) {
          const held = (await bench.adapter.vms.get(at.vm, newCall()))?.disks.find(({ volume }) => volume === at.volume)
          const first = generations.get(at.volume) ?? held?.generation ?? 0
          generations.set(at.volume, first)
          const bytes = await honest.read(at, length)
          return (held?.generation ?? 0) > first ? new Uint8Array(bytes.length) : bytes
        },
      }
    },
  ),
  adapter(
    'attaches for writing what was to be read',
    'a disk attached read-only serves reads and refuses writes',
    (honest) => ({
      disks: { attach: (vm, disk, call) => honest.disks.attach(vm, { ...disk, mode: 'rw' }, call) },
    }),
  ),
]

function guest(
  name: string,
  caughtBy: string,
  change: (honest: GuestIo, bench: HypervisorBench) => GuestIo,
): Cheat<HypervisorBench> {
  return {
    name,
    caughtBy: [caughtBy],
    spoil: (bench) => (bench.guest ? { ...bench, guest: change(bench.guest, bench) } : bench),
  }
}

async function volumesOf(bench: HypervisorBench, vm: VmId): Promise<readonly VolumeId[]> {
  return ((await bench.adapter.vms.get(vm, newCall()))?.disks ?? []).map(({ volume }) => volume)
}

function newCall(): Parameters<FullAdapter['vms']['get']>[1] {
  return { key: 'cheat', fence: 0, deadline: Date.now() + 30_000, signal: new AbortController().signal }
}
