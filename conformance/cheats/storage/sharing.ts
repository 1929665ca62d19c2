import type { Exposure } from '@moorage/contract'
import { accessKey, dataPath, despite, provider, session, type StorageCheat, unhurried, wrong } from '../cheat.ts'

/** Providers that mix up consumers, sources and modes. */
export const sharingCheats: readonly StorageCheat[] = [
  provider(
    'ends every session of a source when one is to go',
    'withdrawing from one consumer leaves the session of another alone',
    (honest) => {
      const writers = new Map<string, Exposure>()
      return {
        access: {
          async expose(exposure, call) {
            const connection = await honest.access.expose(exposure, call)
            if (exposure.mode === 'rw') writers.set(accessKey(exposure), exposure)
            return connection
          },
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            if (!writers.delete(accessKey(access))) return
            for (const other of writers.values()) {
              if (other.source.id !== access.source.id) continue
              await honest.access.withdraw(other, call)
              await honest.access.expose(other, call)
            }
          },
        },
      }
    },
  ),
  provider(
    'ends every session of a consumer when one is to go',
    'withdrawing one source from a consumer leaves its session to another source alone',
    (honest) => {
      const given = new Map<string, Exposure>()
      return {
        access: {
          async expose(exposure, call) {
            const connection = await honest.access.expose(exposure, call)
            given.set(accessKey(exposure), exposure)
            return connection
          },
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            for (const other of given.values()) {
              if (other.consumer.id === access.consumer.id) await honest.access.withdraw(other, call)
            }
          },
        },
      }
    },
  ),
  dataPath(
    'serves the second consumer what it saw when it came',
    'what one consumer has written another one reads',
    (bench) => {
      const open: string[] = []
      return {
        provider: bench.provider,
        async connect(connection) {
          if (!bench.connect || connection.via !== 'iscsi') throw wrong('UNSUPPORTED')
          const disk = await bench.connect(connection)
          const second = open.length === 1 && open[0] === connection.iqn
          open.push(connection.iqn)
          let wrote = false
          return session(disk, {
            async write(offset, bytes) {
              await disk.write(offset, bytes)
              wrote = true
            },
            async read(offset, length) {
              const stale = second && !wrote && offset === 0 && length === 4096
              return stale ? new Uint8Array(length) : disk.read(offset, length)
            },
            async close() {
              open.splice(open.indexOf(connection.iqn), 1)
              await disk.close()
            },
          })
        },
      }
    },
  ),
  provider(
    'lets in again whom it let in before when another one comes',
    'a consumer from whom access was taken stays out when another one is let in',
    (honest) => {
      const gone = new Map<string, Exposure>()
      const hidden = new Set<string>()
      return {
        access: {
          async expose(exposure, call) {
            const connection = await honest.access.expose(exposure, call)
            for (const [key, other] of gone) {
              if (other.source.id !== exposure.source.id || other.mode !== 'rw' || key === accessKey(exposure)) continue
              await honest.access.expose(other, call)
              hidden.add(other.consumer.id)
            }
            gone.set(accessKey(exposure), exposure)
            return connection
          },
          async withdraw(access, call) {
            await honest.access.withdraw(access, call)
            for (const other of gone.values()) {
              if (other.source.id !== access.source.id || !hidden.has(other.consumer.id)) continue
              await honest.access.withdraw(other, call)
              hidden.delete(other.consumer.id)
            }
          },
        },
      }
    },
  ),
  provider(
    'lets in again after a while',
    'a consumer from whom access was taken stays out as time goes by',
    (honest) => {
      const given = new Map<string, Exposure>()
      // Only where nothing else happens meanwhile: elsewhere it would be in the way.
      let calls = 0
      const noted = <Result>(run: () => Promise<Result>): Promise<Result> => {
        calls += 1
        return run()
      }
      return {
        access: {
          expose(exposure, call) {
            given.set(accessKey(exposure), exposure)
            return noted(() => honest.access.expose(exposure, call))
          },
          async withdraw(access, call) {
            const again = given.get(accessKey(access))
            await noted(() => honest.access.withdraw(access, call))
            given.delete(accessKey(access))
            const before = calls
            const late = () => {
              if (again && calls === before) void honest.access.expose(again, unhurried(call)).catch(() => undefined)
            }
            setTimeout(late, 250)
          },
        },
        volumes: {
          create: (spec, call) => noted(() => honest.volumes.create(spec, call)),
          delete: (id, call) => noted(() => honest.volumes.delete(id, call)),
        },
        snapshots: { create: (spec, call) => noted(() => honest.snapshots.create(spec, call)) },
        revert: { revert: (volume, to, call) => noted(() => honest.revert.revert(volume, to, call)) },
        resize: { grow: (id, bytes, call) => noted(() => honest.resize.grow(id, bytes, call)) },
        inventory: { list: (cursor, call) => noted(() => honest.inventory.list(cursor, call)) },
      }
    },
  ),
  provider(
    'makes writers of readers that ask',
    'an exposure for reading cannot be turned into one for writing by asking: CONFLICT',
    (honest) => ({
      access: {
        expose: (exposure, call) =>
          despite(
            'CONFLICT',
            () => honest.access.expose(exposure, call),
            async (error) => {
              if (exposure.mode === 'ro') throw error
              await honest.access.withdraw(exposure, call)
              return honest.access.expose(exposure, call)
            },
          ),
      },
    }),
  ),
  provider(
    'keeps the first mode for ever',
    'access given again after it was withdrawn may have the other mode',
    (honest) => {
      const modes = new Map<string, Exposure['mode']>()
      return {
        access: {
          async expose(exposure, call) {
            const mode = modes.get(accessKey(exposure)) ?? exposure.mode
            const withdrawn = mode !== exposure.mode && mode === 'ro'
            const connection = await honest.access.expose(exposure, call)
            if (withdrawn) {
              await honest.access.withdraw(exposure, call)
              return honest.access.expose({ ...exposure, mode }, call)
            }
            modes.set(accessKey(exposure), mode)
            return connection
          },
        },
      }
    },
  ),
  provider(
    'makes readers of all when one comes to read',
    'a consumer that reads and one that writes may share a volume, each in its mode',
    (honest) => {
      const writers = new Map<string, Exposure>()
      return {
        access: {
          async expose(exposure, call) {
            const writer = writers.get(exposure.source.id)
            if (exposure.mode === 'rw') writers.set(exposure.source.id, exposure)
            const connection = await honest.access.expose(exposure, call)
            if (exposure.mode === 'ro' && writer && writer.consumer.id !== exposure.consumer.id) {
              await honest.access.withdraw(writer, call)
              await honest.access.expose({ ...writer, mode: 'ro' }, call)
            }
            return connection
          },
          async withdraw(access, call) {
            if (writers.get(access.source.id)?.consumer.id === access.consumer.id) writers.delete(access.source.id)
            await honest.access.withdraw(access, call)
          },
        },
      }
    },
  ),
  provider('knows no movers', 'a mover is given access as a host is', (honest) => ({
    access: {
      async expose(exposure, call) {
        if (exposure.consumer.kind === 'mover') throw wrong('UNSUPPORTED')
        return honest.access.expose(exposure, call)
      },
    },
  })),
]
