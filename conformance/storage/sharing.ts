import assert from 'node:assert/strict'
import type { Source } from '@moorage/contract'
import { failureOf, ioRefused, newId, pattern, refused, sameBytes, stays } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import { consumerOf, type StorageCase, type StorageContext } from './context.ts'

const WATCH_MS = 500

/** Promises of `access` about several consumers, several sources, and both modes. */
export const sharingCases: readonly StorageCase[] = [
  {
    name: 'withdrawing from one consumer leaves the session of another alone',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const mode = c.provider.limits.maxWriters === 1 ? 'ro' : 'rw'
      const [leaving, staying] = [await c.exposed(source, { mode }), await c.exposed(source)]
      const disk = await c.connect(staying.connection)
      await c.provider.access.withdraw(leaving, c.call())
      await disk.write(0, pattern(1, 4096))
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'the session that stays')
    },
  },
  {
    name: 'withdrawing one source from a consumer leaves its session to another source alone',
    needs: ['connect'],
    async run(c) {
      const consumer = c.consumer()
      const [leaving, staying] = [
        await c.exposed(await newSource(c), { consumer }),
        await c.exposed(await newSource(c), { consumer }),
      ]
      const disk = await c.connect(staying.connection)
      await c.provider.access.withdraw(leaving, c.call())
      await disk.write(0, pattern(1, 4096))
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'the session to the other source')
    },
  },
  {
    name: 'what one consumer has written another one reads',
    needs: ['connect'],
    async run(c) {
      c.needTwoWriters()
      const source = await newSource(c)
      const [one, two] = [
        await c.connect((await c.exposed(source)).connection),
        await c.connect((await c.exposed(source)).connection),
      ]
      await one.write(0, pattern(1, 4096))
      sameBytes(await two.read(0, 4096), pattern(1, 4096), 'what the first consumer wrote')
      await two.write(4096, pattern(2, 4096))
      sameBytes(await one.read(4096, 4096), pattern(2, 4096), 'what the second consumer wrote')
    },
  },
  {
    name: 'a consumer from whom access was taken stays out when another one is let in',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const gone = await c.exposed(source)
      await (await c.connect(gone.connection)).close()
      await c.provider.access.withdraw(gone, c.call())
      await c.connect((await c.exposed(source)).connection)
      await ioRefused(c.connect(gone.connection), 'a consumer from whom access was taken')
    },
  },
  {
    name: 'a consumer from whom access was taken stays out as time goes by',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const gone = await c.exposed(source)
      await c.provider.access.withdraw(gone, c.call())
      await stays('it was let in again after a while', WATCH_MS, async () => {
        return c.connect(gone.connection).then(
          () => false,
          () => true,
        )
      })
    },
  },
  {
    name: 'an exposure for reading cannot be turned into one for writing by asking: CONFLICT',
    needs: ['connect'],
    async run(c) {
      const access = await c.exposed(await newSource(c), { mode: 'ro' })
      await refused(c.provider.access.expose({ ...access, mode: 'rw' }, c.call()), 'CONFLICT')
      const disk = await c.connect(access.connection)
      await ioRefused(disk.write(0, pattern(1, 4096)), 'a write through the exposure for reading')
    },
  },
  {
    name: 'access given again after it was withdrawn may have the other mode',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const consumer = c.consumer()
      const reading = await c.exposed(source, { mode: 'ro', consumer })
      await c.provider.access.withdraw(reading, c.call())
      const disk = await c.connect((await c.exposed(source, { mode: 'rw', consumer })).connection)
      await disk.write(0, pattern(1, 4096))
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'written in the second mode')
    },
  },
  {
    name: 'a consumer that reads and one that writes may share a volume, each in its mode',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const writer = await c.connect((await c.exposed(source, { mode: 'rw' })).connection)
      const reader = await c.connect((await c.exposed(source, { mode: 'ro' })).connection)
      await ioRefused(reader.write(0, pattern(2, 4096)), 'a write of the reader')
      await writer.write(0, pattern(1, 4096))
      sameBytes(await writer.read(0, 4096), pattern(1, 4096), 'what the writer reads')
    },
  },
  {
    name: 'a mover is given access as a host is',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const consumer = { ...consumerOf(newId()), kind: 'mover' } as const
      const access = await c.exposed(source, { consumer, mode: 'ro' })
      const disk = await c.connect(access.connection)
      sameBytes(await disk.read(0, 4096), new Uint8Array(4096), 'what the mover reads')
    },
  },
  {
    name: 'a session for reading is dead as well once its access is withdrawn',
    needs: ['connect'],
    async run(c) {
      if (c.provider.limits.withdrawal === 'host-must-detach') throw new NotApplicable('a withdrawal ends no session')
      const source = await newSource(c)
      const sources: readonly Source[] = c.provider.snapshots
        ? [source, { kind: 'snapshot', id: (await c.snapshot(source.id)).id }]
        : [source]
      const readers = []
      for (const each of sources) {
        const access = await c.exposed(each, { mode: 'ro' })
        if (access.connection.via === 'file') throw new NotApplicable('whoever has a file open may read it')
        readers.push({ access, disk: await c.connect(access.connection) })
      }
      for (const { disk } of readers) await disk.read(0, 4096)
      for (const { access } of readers) await c.provider.access.withdraw(access, c.call())
      // At the same time: initiators wait for a while before they give up.
      await Promise.all(readers.map(({ disk }) => ioRefused(disk.read(0, 4096), 'a read after the withdraw')))
    },
  },
  {
    name: 'a withdraw ends every session of its consumer',
    needs: ['connect'],
    async run(c) {
      if (c.provider.limits.withdrawal === 'host-must-detach') throw new NotApplicable('a withdrawal ends no session')
      const source = await newSource(c)
      const access = await c.exposed(source)
      const disks = [await c.connect(access.connection), await c.connect(access.connection)]
      for (const disk of disks) await disk.write(0, pattern(1, 4096))
      await c.provider.access.withdraw(access, c.call())
      await Promise.all(disks.map((disk) => disk.write(0, pattern(2, 4096)).catch(() => undefined)))
      sameBytes(await c.bytesOf(source, { offset: 0, length: 4096 }), pattern(1, 4096), 'the volume after the withdraw')
    },
  },
  {
    name: 'one consumer may write one volume and only read another',
    needs: ['connect'],
    async run(c) {
      const consumer = c.consumer()
      const [writes, reads] = [
        await c.exposed(await newSource(c), { consumer, mode: 'rw' }),
        await c.exposed(await newSource(c), { consumer, mode: 'ro' }),
      ]
      await (await c.connect(writes.connection)).write(0, pattern(1, 4096))
      const disk = await c.connect(reads.connection)
      await ioRefused(disk.write(0, pattern(2, 4096)), 'a write to the volume that it may read')
      sameBytes(await disk.read(0, 4096), new Uint8Array(4096), 'the volume that it may read')
    },
  },
  {
    name: 'an expose and a withdraw at the same time end in one or the other, for inventory and consumer alike',
    needs: ['connect'],
    async run(c) {
      for (let round = 0; round < 3; round++) {
        const exposure = c.exposure(await newSource(c))
        const call = c.call()
        const given = c.provider.access.expose(exposure, call)
        await Promise.all([given, c.provider.access.withdraw(exposure, call)].map(failureOf))
        const listed = (await c.exposures()).length === 1
        const connection = await given.catch(() => undefined)
        const disk = connection && (await c.connect(connection).catch(() => undefined))
        assert.equal(disk !== undefined, listed, 'whether the consumer is let in')
        await disk?.close()
        await c.provider.access.withdraw(exposure, c.call())
        assert.deepEqual(await c.exposures(), [], 'exposures after a withdraw that came last')
      }
    },
  },
]

async function newSource(c: StorageContext): Promise<Extract<Source, { readonly kind: 'volume' }>> {
  return { kind: 'volume', id: (await c.volume()).id }
}
