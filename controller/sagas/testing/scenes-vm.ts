import { vmById } from '../../store/vms.ts'
import { hostMaintenance } from '../host-maintenance.ts'
import { poolMaintenanceCancel } from '../pool-maintenance-cancel.ts'
import { poolMaintenance } from '../pool-maintenance.ts'
import { vmExpunge } from '../vm-expunge.ts'
import { vmLeave } from '../vm-leave.ts'
import { vmMigrate } from '../vm-migrate.ts'
import { vmReboot } from '../vm-reboot.ts'
import { vmStart } from '../vm-start.ts'
import { vmStop } from '../vm-stop.ts'
import { asked, type Scene } from './scene.ts'
import { half, leftBehind, plugged, pluggedTwice } from './scene-parts.ts'

/** Scenes of VMs, and of pools that are taken out of service under them. */
export const VM_SCENES: readonly Scene[] = [
  {
    saga: 'vm-start',
    of: 'a VM with a volume to which its host kept access, and one that lives nowhere',
    calls: {
      begin: [],
      clear: ['array/access/withdraw'],
      create: ['array/volumes/create'],
      expose: ['array/access/expose', 'array/access/expose'],
      start: ['host/vms/start'],
    },
    undoing: {
      start: ['host/vms/stop'],
      expose: ['array/access/withdraw', 'array/access/withdraw'],
      create: ['array/volumes/delete'],
    },
    stage: async (world) => asked(world, vmStart, { vm: (await half(world)).vm }),
  },
  {
    saga: 'vm-stop',
    of: 'a VM with two volumes',
    calls: { begin: [], stop: ['host/vms/stop'], withdraw: ['array/access/withdraw', 'array/access/withdraw'] },
    undoing: { stop: ['host/vms/get'] },
    stage: async (world) => asked(world, vmStop, { vm: (await pluggedTwice(world)).vm, force: true }),
  },
  {
    saga: 'vm-reboot',
    of: 'a VM with a volume',
    calls: { begin: [], reboot: ['host/vms/reboot'] },
    stage: async (world) => asked(world, vmReboot, { vm: (await plugged(world)).vm }),
  },
  {
    saga: 'vm-migrate',
    of: 'a VM with a volume',
    calls: {
      begin: [],
      expose: ['array/access/expose'],
      prepare: ['host/migration/describe', 'host/migration/prepare'],
      send: ['host/migration/send', 'host/migration/send'],
      arrive: ['host/migration/arrive'],
      leave: ['host/vms/stop'],
      withdraw: ['array/access/withdraw'],
    },
    undoing: { send: ['host/vms/stop'] },
    stage: async (world) => {
      const { vm } = await plugged(world)
      const ask = async () => world.submit(vmMigrate, { vm })
      // One that arrived although the operation failed goes back where it came from.
      return { ask, again: ask }
    },
  },
  {
    saga: 'vm-leave',
    of: 'a VM that migrated, to whose volume its first host kept access',
    calls: { begin: [], stop: ['host/vms/stop'], withdraw: ['array/access/withdraw'] },
    stage: async (world) => asked(world, vmLeave, await leftBehind(world)),
  },
  {
    saga: 'vm-expunge',
    of: 'a running VM with a volume',
    calls: { begin: [], stop: ['host/vms/stop'], withdraw: ['array/access/withdraw'] },
    undoing: { stop: ['host/vms/get'] },
    stage: async (world) => asked(world, vmExpunge, { vm: (await plugged(world)).vm }),
  },
  {
    saga: 'host-maintenance',
    of: 'a host on which a VM runs',
    calls: { begin: [], move: [], stop: [] },
    stage: async (world) => {
      const { vm } = await plugged(world)
      const host = (await vmById(world.store.reader, vm))?.hostId ?? ''
      return asked(world, hostMaintenance, { host })
    },
  },
  {
    saga: 'pool-maintenance',
    of: 'a pool that a running VM uses',
    calls: { begin: [], stop: [] },
    stage: async (world) => {
      await plugged(world, ['fast'])
      return asked(world, poolMaintenance, { pool: world.pools.fast })
    },
  },
  {
    saga: 'pool-maintenance-cancel',
    of: 'a pool under whose maintenance a VM was stopped',
    calls: { begin: [], resume: [] },
    stage: async (world) => {
      await plugged(world, ['fast'])
      await world.done(poolMaintenance, { pool: world.pools.fast })
      return asked(world, poolMaintenanceCancel, { pool: world.pools.fast })
    },
  },
]
