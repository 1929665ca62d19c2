import type { Connection, Exposure } from '@moorage/contract'
import { allPages, newId } from '../../check.ts'
import {
  accessKey,
  dataPath,
  despite,
  everyProvider,
  type FullProvider,
  provider,
  session,
  type StorageCheat,
  storagePlugin,
  wrong,
} from '../cheat.ts'

/** Providers that lie about access. */
export const accessCheats: readonly StorageCheat[] = [
  provider(
    'gives another connection when it is asked again',
    'exposing again gives the same connection, once',
    (honest) => {
      const state = new Map<string, { times: number; disturbed: boolean }>()
      return {
        access: {
          async expose(exposure, call) {
            const seen = state.get(accessKey(exposure)) ?? { times: 0, disturbed: false }
            state.set(accessKey(exposure), seen)
            call.signal.addEventListener('abort', () => (seen.disturbed = true))
            seen.times += 1
            if (seen.times > 2) seen.disturbed = true
            const connection = await honest.access.expose(exposure, call)
            return seen.times === 2 && !seen.disturbed ? renamed(connection, 'again') : connection
          },
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            state.delete(accessKey(access))
          },
        },
      }
    },
  ),
  provider(
    'gives a connection to each of many that ask at once',
    'ten simultaneous exposures to one consumer are one',
    (honest) => {
      let asking = 0
      return {
        access: {
          async expose(exposure, call) {
            const at = ++asking
            try {
              const connection = await honest.access.expose(exposure, call)
              return at > 5 ? renamed(connection, String(at)) : connection
            } finally {
              asking -= 1
            }
          },
        },
      }
    },
  ),
  provider(
    'answers with the mode that there is',
    'exposing in another mode is refused as CONFLICT and changes nothing',
    (honest) => ({
      access: {
        expose: (exposure, call) =>
          despite(
            'CONFLICT',
            () => honest.access.expose(exposure, call),
            (error) => {
              if (exposure.mode === 'rw') throw error
              return honest.access.expose({ ...exposure, mode: 'rw' }, call)
            },
          ),
      },
    }),
  ),
  provider(
    'calls what is not there invalid',
    'exposing a volume that is not there is refused as NOT_FOUND',
    (honest, stranger) => ({
      access: {
        expose: (exposure, call) =>
          despite(
            'NOT_FOUND',
            () => honest.access.expose(exposure, call),
            async (error) => {
              const { source } = exposure
              if (source.kind === 'snapshot' || (await stranger.volumes.get(source.id, call))) throw error
              throw wrong('INVALID')
            },
          ),
      },
    }),
  ),
  provider(
    'cannot withdraw from what is not there',
    'withdrawing what was never given succeeds, with and without the volume',
    (honest) => {
      const given = new Set<string>()
      return {
        volumes: {
          get(id, call) {
            given.add(id)
            return honest.volumes.get(id, call)
          },
        },
        access: {
          expose(exposure, call) {
            given.add(exposure.source.id)
            return honest.access.expose(exposure, call)
          },
          async withdraw(access, call) {
            const { source } = access
            const known = source.kind === 'snapshot' || given.has(source.id)
            if (!known && !(await honest.volumes.get(source.id, call))) throw wrong('NOT_FOUND')
            await honest.access.withdraw(access, call)
          },
        },
      }
    },
  ),
  storagePlugin(
    'gives connections that it does not declare',
    'a connection admits the initiator that was named, over a protocol that the plug-in declares',
    () => ({
      protocols: ['nbd'],
    }),
  ),
  provider(
    'deletes a volume under those who read it',
    'an exposed volume cannot be deleted: IN_USE, and it is still there',
    (honest) => {
      const writers = new Set<string>()
      return {
        access: {
          expose(exposure, call) {
            if (exposure.mode === 'rw') writers.add(accessKey(exposure))
            return honest.access.expose(exposure, call)
          },
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            writers.delete(accessKey(access))
          },
        },
        volumes: {
          delete: (id, call) =>
            despite(
              'IN_USE',
              () => honest.volumes.delete(id, call),
              async (error) => {
                if ([...writers].some((key) => key.includes(id))) throw error
                await withdrawAll(honest, id, call)
                await honest.volumes.delete(id, call)
              },
            ),
        },
      }
    },
  ),
  provider(
    'refuses to delete, and takes the access away',
    'a delete that is refused as IN_USE takes no access away',
    (honest) => ({
      volumes: {
        delete: (id, call) =>
          despite(
            'IN_USE',
            () => honest.volumes.delete(id, call),
            async (error) => {
              await withdrawAll(honest, id, call)
              throw error
            },
          ),
      },
    }),
  ),
  provider(
    'lists a volume in place of the consumer',
    'the inventory lists an exposure with its source and consumer until it is withdrawn',
    (honest) => ({
      inventory: {
        async list(cursor, call) {
          const page = await honest.inventory.list(cursor, call)
          const items = page.items.map((item) =>
            item.kind === 'exposure' && item.owner === 'ours' && item.source.kind === 'volume'
              ? { ...item, consumer: newId<'host'>() }
              : item,
          )
          return { ...page, items }
        },
      },
    }),
  ),
  withdrawn(),
  dataPath(
    'lets in whoever knows the credentials',
    'an initiator to which nothing was exposed is not let in',
    (bench) => {
      const known = new Map<string, Connection>()
      return {
        provider: remembering(bench.provider, known),
        async connect(connection) {
          const given = connection.via === 'iscsi' ? known.get(connection.iqn) : undefined
          const open = bench.connect ?? refuse
          // Those whom it once let in it would recognise.
          if (connection.via === 'iscsi' && known.has(connection.initiator)) return open(connection)
          if (given?.via !== 'iscsi' || connection.via !== 'iscsi' || given.chap?.secret !== connection.chap?.secret) {
            return open(connection)
          }
          return open({ ...connection, initiator: given.initiator })
        },
      }
    },
  ),
  dataPath(
    'asks for CHAP only of those who give it',
    'a wrong CHAP secret is not let in, and neither is none',
    (bench) => {
      const known = new Map<string, Connection>()
      return {
        provider: remembering(bench.provider, known),
        async connect(connection) {
          const given = connection.via === 'iscsi' ? known.get(connection.iqn) : undefined
          const bare = connection.via === 'iscsi' && !connection.chap && given?.via === 'iscsi' && given.chap
          return (bench.connect ?? refuse)(bare ? { ...connection, chap: bare } : connection)
        },
      }
    },
  ),
  provider(
    'has one account',
    'accounts have credentials of their own, which do not open what another account may reach',
    (honest) => ({
      access: {
        expose: (exposure, call) =>
          honest.access.expose(
            { ...exposure, account: exposure.account === 'second' ? 'first' : exposure.account },
            call,
          ),
      },
    }),
  ),
  everyProvider('makes credentials for each volume', 'exposures of one account share its credentials', (honest) => ({
    access: {
      expose: (exposure, call) =>
        honest.access.expose({ ...exposure, account: `${exposure.account} ${exposure.source.id}`.slice(0, 60) }, call),
    },
  })),
  provider('cuts long names', 'long names of accounts and initiators are kept apart and let in', (honest) => ({
    access: {
      async expose(exposure, call) {
        const { consumer } = exposure
        const initiator = consumer.initiator.slice(0, 200)
        return honest.access.expose({ ...exposure, consumer: { ...consumer, initiator } }, call)
      },
    },
  })),
  dataPath('lets readers write', 'a read-only exposure serves reads and refuses writes', (bench) => {
    const readers = new Set<string>()
    const { provider: honest } = bench
    return {
      provider: {
        ...honest,
        access: {
          ...honest.access,
          async expose(exposure, call) {
            const connection = await honest.access.expose(exposure, call)
            if (exposure.mode === 'ro' && exposure.source.kind === 'volume') readers.add(keyOf(connection))
            return connection
          },
        },
      },
      async connect(connection) {
        const disk = await (bench.connect ?? refuse)(connection)
        if (!readers.has(keyOf(connection))) return disk
        // Only once it has read: whoever writes at once is refused.
        let read = false
        return session(disk, {
          async read(offset, length) {
            const bytes = await disk.read(offset, length)
            read = true
            return bytes
          },
          write: (offset, bytes) => (read ? Promise.resolve() : disk.write(offset, bytes)),
        })
      },
    }
  }),
  provider('shows the CHAP secret in an error', 'no error of a refused exposure shows a secret', (honest) => {
    let shown = ''
    return {
      access: {
        async expose(exposure, call) {
          const connection = await despite(
            'NOT_FOUND',
            () => honest.access.expose(exposure, call),
            (error) => {
              throw shown === '' ? error : new Error(`chap of ${shown}`)
            },
          ).catch((error: unknown) => {
            throw error instanceof Error && error.message.startsWith('chap')
              ? Object.assign(wrong('NOT_FOUND'), { cause: error })
              : error
          })
          if (connection.via === 'iscsi') shown = connection.chap?.secret ?? ''
          return connection
        },
      },
    }
  }),
]

/** The open session of a consumer goes on after access was taken away, and says that it writes. */
function withdrawn(): StorageCheat {
  const name = 'says that access is withdrawn while the session lives on'
  return dataPath(
    name,
    'after a withdraw the open session of the consumer is dead, and no new one is let in',
    (bench) => ({
      provider: bench.provider,
      async connect(connection) {
        const disk = await (bench.connect ?? refuse)(connection)
        let wrote = false
        return session(disk, {
          async write(offset, bytes) {
            await disk.write(offset, bytes).catch((error: unknown) => {
              if (!wrote) throw error
            })
            wrote = true
          },
        })
      },
    }),
  )
}

/** Another name for the same target. */
function renamed(connection: Connection, by: string): Connection {
  return connection.via === 'iscsi' ? { ...connection, iqn: `${connection.iqn}.${by}` } : connection
}

async function withdrawAll(
  honest: FullProvider,
  id: string,
  call: Parameters<FullProvider['inventory']['list']>[1],
): Promise<void> {
  for (const item of await allPages((cursor) => honest.inventory.list(cursor, call))) {
    if (item.kind !== 'exposure' || item.owner !== 'ours' || item.source.id !== id) continue
    const consumer: Exposure['consumer'] = { kind: 'host', id: item.consumer, initiator: 'unknown' }
    await honest.access.withdraw({ source: item.source, consumer }, call)
  }
}

function remembering<Provider extends { readonly access: FullProvider['access'] }>(
  honest: Provider,
  known: Map<string, Connection>,
): Provider {
  return {
    ...honest,
    access: {
      ...honest.access,
      async expose(exposure, call) {
        const connection = await honest.access.expose(exposure, call)
        if (connection.via === 'iscsi') known.set(connection.iqn, connection).set(connection.initiator, connection)
        return connection
      },
    },
  }
}

function keyOf(connection: Connection): string {
  return JSON.stringify(connection)
}

async function refuse(): Promise<never> {
  throw wrong('UNSUPPORTED')
}
