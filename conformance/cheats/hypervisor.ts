import { type BackendDisk, PluginError, type VmId, type VmSpec } from '@moorage/contract'
import { failureOf } from '../check.ts'
import { type HypervisorCheat, unfenced, unhurried } from './cheat.ts'
import { migrationCheats } from './migration.ts'

/** Adapters that the hypervisor kit must reject. */
export const hypervisorCheats: readonly HypervisorCheat[] = [
  {
    name: 'accepts stale generations',
    caughtBy: [
      'an attach of a stale generation is refused as FENCED, and the disk that is there stays',
      'an attach of a stale generation is refused after the detach of a newer one, and brings nothing back',
      'a detach of a stale generation is refused as FENCED, and the disk that is there stays',
    ],
    make: (honest) => ({
      ...honest,
      disks: {
        async attach(vm, disk, call): Promise<BackendDisk> {
          const { volume, generation } = disk
          const attached = honest.disks.attach(vm, disk, call)
          const error = await failureOf(attached)
          if (error?.code !== 'FENCED') return attached
          return { volume, generation, device: 'vdz', bytes: 0, throttle: {} }
        },
        async detach(vm, disk, call) {
          const latest = { ...disk, generation: Number.MAX_SAFE_INTEGER }
          await honest.disks.detach(vm, latest, call)
        },
      },
    }),
  },
  {
    name: 'ignores fences',
    caughtBy: [
      'a late start is refused after a stop with a higher fence, and starts nothing',
      'a late stop below the fence of a newer start is refused, and the machine runs on',
      'a late attach below the fence of a stop is refused when the machine runs again',
    ],
    make: (honest) => ({
      ...honest,
      vms: {
        ...honest.vms,
        start: (spec, call) => honest.vms.start(spec, unfenced(call)),
        stop: (id, how, call) => honest.vms.stop(id, how, unfenced(call)),
      },
      disks: {
        attach: (vm, disk, call) => honest.disks.attach(vm, disk, unfenced(call)),
        detach: (vm, disk, call) => honest.disks.detach(vm, disk, unfenced(call)),
      },
    }),
  },
  {
    name: 'answers a detach while the session lives on',
    caughtBy: ['a detach has closed the session when it answers, and leaves nothing made for the disk'],
    make(honest) {
      const gone = new Set<string>()
      return {
        ...honest,
        disks: { ...honest.disks, detach: async (vm, { volume }) => void gone.add(`${vm} ${volume}`) },
        vms: {
          ...honest.vms,
          async get(id, call) {
            const vm = await honest.vms.get(id, call)
            return vm && { ...vm, disks: vm.disks.filter((disk) => !gone.has(`${id} ${disk.volume}`)) }
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            const shown = page.items.filter((item) => {
              return item.kind !== 'disk' || item.owner !== 'ours' || !gone.has(`${item.vm} ${item.volume}`)
            })
            return { ...page, items: shown }
          },
        },
      }
    },
  },
  {
    name: 'answers a stop and lets the machine run',
    caughtBy: [
      'stopping what does not run succeeds, and so does stopping twice',
      'stopping a machine closes the sessions of its disks',
    ],
    make: (honest) => ({ ...honest, vms: { ...honest.vms, stop: async () => undefined } }),
  },
  {
    name: 'loses the disks in a reboot',
    caughtBy: ['a reboot keeps the machine and its disks'],
    make(honest) {
      const specs = new Map<VmId, VmSpec>()
      return {
        ...honest,
        vms: {
          ...honest.vms,
          async start(spec, call) {
            specs.set(spec.id, spec)
            return honest.vms.start(spec, call)
          },
          async reboot(id, call) {
            const spec = specs.get(id)
            if (!spec) throw new PluginError('NOT_FOUND', 'no such machine', 'none')
            await honest.vms.stop(id, { force: true }, call)
            return honest.vms.start({ ...spec, disks: [] }, call)
          },
        },
      }
    },
  },
  {
    name: 'leaves a machine behind when a disk cannot be opened',
    caughtBy: ['a start of which a disk cannot be opened fails and leaves nothing, no machine and no session'],
    make: (honest) => ({
      ...honest,
      vms: {
        ...honest.vms,
        async start(spec, call) {
          try {
            return await honest.vms.start(spec, call)
          } catch (error) {
            if (spec.disks.length > 0) await honest.vms.start({ ...spec, disks: spec.disks.slice(0, 1) }, call)
            throw error
          }
        },
      },
    }),
  },
  {
    name: 'says effect none after it has started the machine',
    caughtBy: ['a start whose time is up ends in TIMEOUT, and effect none means that nothing runs'],
    make: (honest) => ({
      ...honest,
      vms: {
        ...honest.vms,
        async start(spec, call) {
          const vm = await honest.vms.start(spec, unhurried(call))
          if (call.deadline > Date.now() && !call.signal.aborted) return vm
          throw new PluginError('TIMEOUT', 'too late', 'none')
        },
      },
    }),
  },
  {
    name: 'hides disks from its inventory',
    caughtBy: ['an attached disk is reported with its device, size and generation, by attach, get and inventory'],
    make: (honest) => ({
      ...honest,
      inventory: {
        async list(cursor, call) {
          const page = await honest.inventory.list(cursor, call)
          return { ...page, items: page.items.filter((item) => item.kind !== 'disk') }
        },
      },
    }),
  },
  {
    name: 'reads back the throttle that was asked for, whatever is enforced',
    caughtBy: ['a throttle outside the range is clamped and reported, or refused as LIMIT; never silently different'],
    make: (honest) => ({
      ...honest,
      throttle: {
        ...honest.throttle,
        async apply(vm, disk, call) {
          await honest.throttle.apply(vm, disk, call)
          return { applied: disk.qos, clamped: [] }
        },
      },
    }),
  },
  {
    name: 'says that every freeze was held',
    caughtBy: ['a freeze that nobody thaws ends by itself, and the thaw then says that it was not held'],
    make: (honest) => ({
      ...honest,
      quiesce: {
        ...honest.quiesce,
        thaw: async (vm, call) => ({ ...(await honest.quiesce.thaw(vm, call)), held: true }),
      },
    }),
  },
  ...migrationCheats,
]
