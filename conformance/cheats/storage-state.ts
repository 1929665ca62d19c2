import {
  type Call,
  type Exposure,
  type InventoryItem,
  PluginError,
  type Source,
  type StorageProvider,
  type VolumeId,
} from '@moorage/contract'
import { allPages, failureOf, newId } from '../check.ts'
import { type StorageCheat, unfenced, unhurried } from './cheat.ts'

/** Providers that lie about what is there: volumes, fences, inventory, errors. */
export const stateCheats: readonly StorageCheat[] = [
  {
    name: 'makes a second volume when it is asked for the same one again',
    caughtBy: ['creating a volume again gives the same volume, with the same key and with another'],
    make: (honest) => ({
      ...honest,
      volumes: {
        ...honest.volumes,
        async create(spec, call) {
          const there = await honest.volumes.get(spec.id, call)
          if (there) await honest.volumes.create({ ...spec, id: newId() }, call)
          return honest.volumes.create(spec, call)
        },
      },
    }),
  },
  {
    name: 'forgets to delete',
    caughtBy: ['a deleted volume is gone, and deleting it again succeeds'],
    make: (honest) => ({ ...honest, volumes: { ...honest.volumes, delete: async () => undefined } }),
  },
  {
    name: 'leaves something behind whenever it deletes a snapshot',
    caughtBy: ['a snapshot is taken, found again by its id, and listed with its volume'],
    make: (honest) => ({
      ...honest,
      snapshots: {
        ...honest.snapshots,
        async delete(id, call) {
          const snapshot = await honest.snapshots.get(id, call)
          if (snapshot) await honest.snapshots.create({ id: newId(), volume: snapshot.volume }, call)
          await honest.snapshots.delete(id, call)
        },
      },
    }),
  },
  {
    name: 'answers with what it has when it is asked for something else',
    caughtBy: [
      'the same id with another size is refused as CONFLICT and changes nothing',
      'simultaneous creates of one id in two sizes make one of them and refuse the other',
    ],
    make: (honest) => ({
      ...honest,
      volumes: {
        ...honest.volumes,
        async create(spec, call) {
          const there = await honest.volumes.get(spec.id, call)
          return there ?? honest.volumes.create(spec, call).catch(() => found(honest, spec.id, call))
        },
      },
    }),
  },
  {
    name: 'ignores fences',
    caughtBy: [
      'a late create is refused after a delete with a higher fence, and brings nothing back',
      'a create that arrives after the delete that undid it is refused although nothing was ever made',
      'a late delete below the fence of a newer call is refused and deletes nothing',
      'a late expose is refused after a withdraw with a higher fence, and gives nothing back',
      'a late withdraw below the fence of a newer expose is refused and takes nothing away',
      'a late change of QoS below the fence of a newer one is refused and changes nothing',
      'a late snapshot is refused after a delete with a higher fence, and brings nothing back',
      'a late revert below the fence of a newer call is refused and changes nothing',
    ],
    make: (honest) => ({
      ...honest,
      volumes: {
        ...honest.volumes,
        create: (spec, call) => honest.volumes.create(spec, unfenced(call)),
        delete: (id, call) => honest.volumes.delete(id, unfenced(call)),
      },
      access: {
        expose: (exposure, call) => honest.access.expose(exposure, unfenced(call)),
        withdraw: (access, call) => honest.access.withdraw(access, unfenced(call)),
      },
      qos: { ...honest.qos, apply: (id, qos, call) => honest.qos.apply(id, qos, unfenced(call)) },
      snapshots: {
        ...honest.snapshots,
        create: (spec, call) => honest.snapshots.create(spec, unfenced(call)),
        delete: (id, call) => honest.snapshots.delete(id, unfenced(call)),
      },
      revert: { revert: (volume, to, call) => honest.revert.revert(volume, to, unfenced(call)) },
    }),
  },
  {
    name: 'says effect none after it has done the work',
    caughtBy: [
      'a call whose time is up ends in TIMEOUT, and effect none means that nothing was made',
      'a call that its caller has given up ends in TIMEOUT, and effect none means that nothing was made',
    ],
    make: (honest) => ({
      ...honest,
      volumes: {
        ...honest.volumes,
        async create(spec, call) {
          const made = await honest.volumes.create(spec, unhurried(call))
          if (call.deadline > Date.now() && !call.signal.aborted) return made
          throw new PluginError('TIMEOUT', 'too late', 'none')
        },
      },
    }),
  },
  {
    name: 'hides exposures from its inventory',
    caughtBy: ['the inventory lists an exposure with its source and consumer until it is withdrawn'],
    make: (honest) => ({
      ...honest,
      inventory: {
        async list(cursor, call) {
          const page = await honest.inventory.list(cursor, call)
          return { ...page, items: page.items.filter((item) => item.kind !== 'exposure') }
        },
      },
    }),
  },
  {
    name: 'shows the first page of its inventory and says that it is the last',
    caughtBy: [
      'the inventory lists each of our volumes exactly once, with id, name and size, however many pages it takes',
    ],
    make: (honest) => ({
      ...honest,
      inventory: {
        list: async (_cursor, call) => ({ items: (await honest.inventory.list(undefined, call)).items }),
      },
    }),
  },
  {
    name: 'claims as ours whatever is on the array',
    caughtBy: ['what another installation owns is listed as foreign, and ours as foreign to it'],
    make: (honest) => ({
      ...honest,
      inventory: {
        async list(cursor, call) {
          const page = await honest.inventory.list(cursor, call)
          const claimed = page.items.map((item): InventoryItem => {
            return item.owner === 'ours' ? item : { ...item, kind: 'structure', owner: 'ours', id: item.name }
          })
          return { ...page, items: claimed }
        },
      },
    }),
  },
  {
    name: 'deletes a volume under its users',
    caughtBy: ['an exposed volume cannot be deleted: IN_USE, and it is still there'],
    make: (honest) => ({
      ...honest,
      volumes: {
        ...honest.volumes,
        async delete(id, call) {
          await withdrawAll(honest, { kind: 'volume', id }, call)
          await honest.volumes.delete(id, call)
        },
      },
    }),
  },
  {
    name: 'throws errors of its own making',
    caughtBy: ['the same id with another size is refused as CONFLICT and changes nothing'],
    make: (honest) => ({
      ...honest,
      volumes: {
        ...honest.volumes,
        async create(spec, call) {
          const error = await failureOf(honest.volumes.create(spec, call))
          if (error) throw new TypeError(error.message)
          return found(honest, spec.id, call)
        },
      },
    }),
  },
  {
    name: 'shows the CHAP secret in an error',
    caughtBy: ['no error of a refused exposure shows a secret'],
    make: (honest) => {
      let shown = ''
      return {
        ...honest,
        access: {
          ...honest.access,
          async expose(exposure, call) {
            try {
              const connection = await honest.access.expose(exposure, call)
              if (connection.via === 'iscsi') shown = connection.chap?.secret ?? ''
              return connection
            } catch (error) {
              throw new PluginError('CONFLICT', `exposed already, with ${shown}`, 'none', error)
            }
          },
        },
      }
    },
  },
]

async function found(honest: StorageProvider, id: VolumeId, call: Call) {
  const volume = await honest.volumes.get(id, unhurried(call))
  if (!volume) throw new PluginError('INTERNAL', 'it was there a moment ago', 'possible')
  return volume
}

async function withdrawAll(honest: StorageProvider, source: Source, call: Call): Promise<void> {
  for (const { consumer } of await exposuresOf(honest, source, call)) {
    await honest.access.withdraw({ source, consumer: { kind: 'host', id: consumer, initiator: 'unknown' } }, call)
  }
}

async function exposuresOf(honest: StorageProvider, source: Source, call: Call) {
  const items = await allPages((cursor) => honest.inventory.list(cursor, call))
  return items.flatMap((item) => {
    return item.kind === 'exposure' && item.owner === 'ours' && item.source.id === source.id ? [item] : []
  })
}

/** A source and a consumer as one word. */
export function accessKey({ source, consumer }: Pick<Exposure, 'source' | 'consumer'>): string {
  return `${source.kind} ${source.id} ${consumer.id}`
}
