import { newId } from '../../check.ts'
import { evading, provider, type StorageCheat, unfenced, wholeProvider } from '../cheat.ts'

/** Providers that break the rules of every call: they are caught wherever the call is made. Each names cases that do. */
export const dataCheats: readonly StorageCheat[] = [
  provider(
    'throws errors of its own making',
    [
      'the same id with another size is refused as CONFLICT and changes nothing',
      'a size above the largest is refused as LIMIT, and nothing is made',
    ],
    (honest) => ({
      volumes: {
        create: (spec, call) =>
          honest.volumes.create(spec, call).catch((error: unknown) => {
            throw new TypeError(String(error))
          }),
      },
    }),
  ),
  provider(
    'answers dates and holes',
    [
      'a snapshot is taken, found again by its id, and listed with its volume',
      'ten simultaneous snapshots of one id are one',
    ],
    (honest) => ({
      snapshots: {
        async create(spec, call) {
          const snapshot = await honest.snapshots.create(spec, call)
          return Object.assign(snapshot, { when: new Date(snapshot.takenAt), tags: [undefined] })
        },
      },
    }),
  ),
  provider(
    'answers with an object of a class',
    ['a volume is made with the size asked for and found again by its id', 'a volume of the smallest size is made'],
    (honest) => ({
      volumes: {
        async create(spec, call) {
          const made = await honest.volumes.create(spec, call)
          return Object.assign(new Volume(), made)
        },
      },
    }),
  ),
  provider(
    'shows a secret where none belongs',
    ['exposing again gives the same connection, once', 'ten simultaneous exposures to one consumer are one'],
    (honest) => {
      let secret = ''
      return {
        access: {
          async expose(exposure, call) {
            const connection = await honest.access.expose(exposure, call)
            if (connection.via === 'iscsi') secret = connection.chap?.secret ?? ''
            return connection
          },
        },
        inventory: {
          async list(cursor, call) {
            const page = await honest.inventory.list(cursor, call)
            const items = page.items.map((item) =>
              item.kind === 'exposure' ? { ...item, name: `${item.name} ${secret}` } : item,
            )
            return { ...page, items }
          },
        },
      }
    },
  ),
  provider(
    'ignores fences',
    [
      'a late create is refused after a delete with a higher fence, and brings nothing back',
      'a late expose is refused after a withdraw with a higher fence, and gives nothing back',
      'a late change of QoS below the fence of a newer one is refused and changes nothing',
      'a late revert below the fence of a newer call is refused and changes nothing',
    ],
    (honest) => ({
      volumes: {
        create: (spec, call) => evading((each) => honest.volumes.create(spec, each), call),
        delete: (id, call) => honest.volumes.delete(id, unfenced(call)),
      },
      access: {
        expose: (exposure, call) => evading((each) => honest.access.expose(exposure, each), call),
        withdraw: (access, call) => honest.access.withdraw(access, unfenced(call)),
      },
      qos: { apply: (id, qos, call) => honest.qos.apply(id, qos, unfenced(call)) },
      revert: { revert: (volume, to, call) => honest.revert.revert(volume, to, unfenced(call)) },
    }),
  ),
  provider(
    'forgets to delete',
    [
      'a deleted volume is gone, and deleting it again, or what was never there, succeeds',
      'names on the back end are different for different volumes and outlive nothing',
    ],
    () => ({
      volumes: { delete: async () => undefined },
    }),
  ),
  provider(
    'leaves something behind whenever it deletes a snapshot',
    [
      'a deleted snapshot is gone, and deleting it again succeeds',
      'a snapshot is taken, found again by its id, and listed with its volume',
    ],
    (honest) => ({
      snapshots: {
        async delete(id, call) {
          const snapshot = await honest.snapshots.get(id, call)
          if (snapshot) await honest.snapshots.create({ id: newId(), volume: snapshot.volume }, call)
          await honest.snapshots.delete(id, call)
        },
      },
    }),
  ),
  provider(
    'shows the first page of its inventory and says that it is the last',
    ['the inventory lists each of our volumes exactly once, with id, name and size, however many pages it takes'],
    (honest) => ({
      inventory: { list: async (_cursor, call) => ({ items: (await honest.inventory.list(undefined, call)).items }) },
    }),
  ),
  provider(
    'rounds the size that it was given in the request itself',
    [
      'a volume is made with the size asked for and found again by its id',
      'creating a volume again gives the same volume, with the same key and with another',
    ],
    (honest) => ({
      volumes: {
        async create(spec, call) {
          const made = await honest.volumes.create(spec, call)
          Object.assign(spec, { bytes: spec.bytes + 4096 })
          return made
        },
      },
    }),
  ),
  wholeProvider({
    name: 'has a facet without its methods',
    caughtBy: ['QoS of a volume that is not there is refused as NOT_FOUND', 'QoS of one volume leaves another alone'],
    make: (honest) => Object.assign({ ...honest }, { qos: { apply: honest.qos.apply } }),
  }),
  provider(
    'keeps its promises to whoever calls itself a test',
    [
      'the inventory lists an exposure with its source and consumer until it is withdrawn',
      'after a withdraw the open session of the consumer is dead, and no new one is let in',
    ],
    (honest) => ({
      access: {
        async withdraw(access, call) {
          const { initiator } = access.consumer
          if (/test|conformance|moorage|kit/.test(initiator)) await honest.access.withdraw(access, call)
        },
      },
    }),
  ),
]

class Volume {
  /** What only a class has. */
  describe(): string {
    return 'a volume'
  }
}
