import { type MigrationTicket, PluginError, type VmId, type VmSpec } from '@moorage/contract'
import { failureOf } from '../../check.ts'
import { evading, type HypervisorCheat, unfenced, wholeAdapter } from '../cheat.ts'

/** Adapters whose migrations the hypervisor kit must reject. Both hosts of a bench are cheats of one kind. */
export const migrationCheats: readonly HypervisorCheat[] = [
  wholeAdapter({
    name: 'lets a machine arrive that was not sent',
    caughtBy: ['a machine that was not sent does not arrive, and one that was never prepared is not there'],
    make(honest) {
      const specs = new Map<VmId, VmSpec>()
      return {
        ...honest,
        migration: {
          ...honest.migration,
          async prepare(spec, description, call) {
            specs.set(spec.id, spec)
            return honest.migration.prepare(spec, description, call)
          },
          async arrive(vm, call) {
            const arrival = honest.migration.arrive(vm, call)
            const spec = specs.get(vm)
            if (!spec || (await failureOf(arrival))?.code !== 'BUSY') return arrival
            await honest.migration.abandon(vm, call)
            return honest.vms.start(spec, call)
          },
        },
      }
    },
  }),
  wholeAdapter({
    name: 'lets the source run on when the machine was sent',
    caughtBy: [
      'a machine runs at the source until it is sent, nowhere until it arrives, and then at the destination',
      'what a guest wrote at the source it reads at the destination, and at the source it writes no more',
    ],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async send(vm, ticket, call) {
          const progress = await honest.migration.send(vm, ticket, call)
          if (progress.state === 'sent') await honest.migration.resume(vm, call)
          return progress
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'says that a machine runs here that has arrived elsewhere',
    caughtBy: ['a machine runs at the source until it is sent, nowhere until it arrives, and then at the destination'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async arrive(vm, call) {
          const arrived = await honest.migration.arrive(vm, call)
          elsewhere.add(vm)
          return arrived
        },
      },
      vms: {
        ...honest.vms,
        async get(id, call) {
          const vm = await honest.vms.get(id, call)
          return vm && elsewhere.has(id) ? { ...vm, state: 'running' } : vm
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'keeps what was abandoned',
    caughtBy: [
      'what is abandoned before it was sent leaves nothing, does not arrive, and the source runs on',
      'what is abandoned after it was sent does not arrive, and goes on at the source with its disks',
    ],
    make: (honest) => ({ ...honest, migration: { ...honest.migration, abandon: async () => ({ arrived: false }) } }),
  }),
  wholeAdapter({
    name: 'ends what has arrived when it is abandoned',
    caughtBy: ['abandoning what has arrived says so and lets it run'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async abandon(vm, call) {
          await honest.vms.stop(vm, { force: true }, call)
          return { arrived: false }
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'refuses to abandon what was never prepared',
    caughtBy: ['abandoning what was never prepared says that it has not arrived'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        describe(vm, call) {
          described.add(vm)
          return honest.migration.describe(vm, call)
        },
        async abandon(vm, call) {
          if (described.has(vm)) return honest.migration.abandon(vm, call)
          throw new PluginError('NOT_FOUND', 'no such machine', 'none')
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'gives out a ticket anew whenever it is asked',
    caughtBy: ['every step of a migration asked again is the same step'],
    make(honest) {
      let given = 0
      return {
        ...honest,
        migration: {
          ...honest.migration,
          async prepare(spec, description, call): Promise<MigrationTicket> {
            given += 1
            return { ...(await honest.migration.prepare(spec, description, call)), given }
          },
        },
      }
    },
  }),
  wholeAdapter({
    name: 'ignores the fences of a migration',
    caughtBy: [
      'late steps of a migration that was given up are refused as FENCED, and change nothing',
      'a late abandon or resume below the fence of a newer migration is refused as FENCED',
    ],
    make: (honest) => ({
      ...honest,
      migration: {
        describe: (vm, call) => honest.migration.describe(vm, call),
        prepare: (spec, description, call) => honest.migration.prepare(spec, description, unfenced(call)),
        send: (vm, ticket, call) => honest.migration.send(vm, ticket, unfenced(call)),
        arrive: (vm, call) => honest.migration.arrive(vm, unfenced(call)),
        abandon: (vm, call) => honest.migration.abandon(vm, unfenced(call)),
        resume: (vm, call) => honest.migration.resume(vm, unfenced(call)),
      },
    }),
  }),
  wholeAdapter({
    name: 'prepares a machine where it runs already',
    caughtBy: ['a machine is not prepared where it runs'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async prepare(spec, description, call) {
          const preparing = honest.migration.prepare(spec, description, call)
          return (await failureOf(preparing))?.code === 'CONFLICT' ? {} : preparing
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'prepares a machine without the disks that it cannot open',
    caughtBy: ['a machine of which a disk cannot be opened there is not prepared, leaves nothing, and runs on here'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async prepare(spec, description, call) {
          const preparing = honest.migration.prepare(spec, description, call)
          return (await failureOf(preparing))
            ? honest.migration.prepare({ ...spec, disks: [] }, description, call)
            : preparing
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'describes machines that do not run',
    caughtBy: ['what does not run is neither described nor sent'],
    make(honest) {
      let started = false
      return {
        ...honest,
        vms: {
          ...honest.vms,
          start(spec, call) {
            started = true
            return honest.vms.start(spec, call)
          },
        },
        migration: {
          ...honest.migration,
          async describe(vm, call) {
            const describing = honest.migration.describe(vm, call)
            return started && (await failureOf(describing))?.code === 'NOT_FOUND' ? {} : describing
          },
        },
      }
    },
  }),
  wholeAdapter({
    name: 'keeps the session at the source after the machine has gone',
    caughtBy: ['a migrated machine runs on the other host with its disks, with one session there and none here'],
    make(honest) {
      const hidden = new Set<VmId>()
      return {
        ...honest,
        migration: {
          ...honest.migration,
          async send(vm, ticket, call) {
            sent.add(vm)
            return honest.migration.send(vm, ticket, call)
          },
        },
        vms: {
          ...honest.vms,
          async get(id, call) {
            const vm = await honest.vms.get(id, call)
            return hidden.has(id) ? undefined : vm
          },
          async stop(id, how, call) {
            const vm = await honest.vms.get(id, call)
            if (vm?.state === 'paused' && sent.has(id) && !hidden.has(id)) hidden.add(id)
            else await honest.vms.stop(id, how, call)
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            const shown = page.items.filter(
              (item) =>
                item.owner !== 'ours' ||
                !(item.kind === 'vm' ? hidden.has(item.id) : item.kind === 'disk' && hidden.has(item.vm)),
            )
            return { ...page, items: shown }
          },
        },
      }
    },
  }),
  wholeAdapter({
    name: 'loses the disks of a machine that goes on at the source',
    caughtBy: ['what is abandoned after it was sent does not arrive, and goes on at the source with its disks'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async resume(vm, call) {
          const back = await honest.migration.resume(vm, call)
          for (const disk of back.disks) await honest.disks.detach(vm, disk, call)
          return { ...back, disks: [] }
        },
      },
    }),
  }),
  wholeAdapter({
    name: 'migrates a machine once only',
    caughtBy: ['a machine that went on at the source migrates when it is asked to once more'],
    make(honest) {
      const sent = new Set<VmId>()
      return {
        ...honest,
        migration: {
          ...honest.migration,
          async send(vm, ticket, call) {
            if (sent.has(vm)) return { state: 'sent' }
            const progress = await honest.migration.send(vm, ticket, call)
            if (progress.state === 'sent') sent.add(vm)
            return progress
          },
        },
      }
    },
  }),
  wholeAdapter({
    name: 'keeps what was abandoned before it was sent',
    caughtBy: ['what is abandoned before it was sent leaves nothing, does not arrive, and the source runs on'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        async send(vm, ticket, call) {
          sent.add(vm)
          return honest.migration.send(vm, ticket, call)
        },
        abandon: async (vm, call) =>
          sent.has(vm) || call.fence > 2000 ? honest.migration.abandon(vm, call) : { arrived: false },
      },
    }),
  }),
  wholeAdapter({
    name: 'prepares whatever the fence',
    caughtBy: ['late steps of a migration that was given up are refused as FENCED, and change nothing'],
    make(honest) {
      const prepared = new Set<VmId>()
      return {
        ...honest,
        migration: {
          ...honest.migration,
          prepare(spec, description, call) {
            // At first it seems to mind them.
            if (prepared.has(spec.id)) return evading((each) => honest.migration.prepare(spec, description, each), call)
            prepared.add(spec.id)
            return honest.migration.prepare(spec, description, call)
          },
        },
      }
    },
  }),
  wholeAdapter({
    name: 'abandons whatever the fence',
    caughtBy: ['a late abandon or resume below the fence of a newer migration is refused as FENCED'],
    make: (honest) => ({
      ...honest,
      migration: {
        ...honest.migration,
        abandon: (vm, call) => evading((each) => honest.migration.abandon(vm, each), call),
      },
    }),
  }),
  {
    name: 'lets a guest write that has gone',
    caughtBy: ['what a guest wrote at the source it reads at the destination, and at the source it writes no more'],
    spoil(bench) {
      const { guest } = bench
      if (!guest) return bench
      const wrote = new Set<VmId>()
      return {
        ...bench,
        guest: {
          ...guest,
          async write(at, bytes) {
            await guest.write(at, bytes).catch((error: unknown) => {
              if (!wrote.has(at.vm)) throw error
            })
            wrote.add(at.vm)
          },
        },
      }
    },
  },
]

/** Machines that were sent, by either host of a bench. */
const sent = new Set<VmId>()

/** Machines that a source has described: they are about to migrate. */
const described = new Set<VmId>()

/** Machines that have arrived, at either. */
const elsewhere = new Set<VmId>()
