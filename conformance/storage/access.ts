import assert from 'node:assert/strict'
import type { Connection, Exposure, Source } from '@moorage/contract'
import { failureOf, ioRefused, newId, pattern, refused, sameBytes } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'
import type { OpenDisk } from './subject.ts'

/** Promises of `access`. */
export const accessCases: readonly StorageCase[] = [
  {
    name: 'exposing again gives the same connection, once',
    needs: [],
    async run(c) {
      const source = await newSource(c)
      const access = await c.exposed(source)
      assert.deepEqual(await c.provider.access.expose(access, c.call()), access.connection)
      assert.equal((await exposures(c)).length, 1)
    },
  },
  {
    name: 'ten simultaneous exposures to one consumer are one',
    needs: [],
    async run(c) {
      const exposure = c.exposure(await newSource(c))
      const call = c.call()
      const answers = await Promise.all(Array.from({ length: 10 }, () => c.provider.access.expose(exposure, call)))
      assert.deepEqual(answers, Array(10).fill(answers[0]))
      assert.equal((await exposures(c)).length, 1)
    },
  },
  {
    name: 'exposing in another mode is refused as CONFLICT and changes nothing',
    needs: [],
    async run(c) {
      const access = await c.exposed(await newSource(c))
      await refused(c.provider.access.expose({ ...access, mode: 'ro' }, c.call()), 'CONFLICT')
      assert.deepEqual(await c.provider.access.expose(access, c.call()), access.connection)
    },
  },
  {
    name: 'exposing a volume that is not there is refused as NOT_FOUND',
    needs: [],
    async run(c) {
      const exposure = c.exposure({ kind: 'volume', id: newId() })
      await refused(c.provider.access.expose(exposure, c.call()), 'NOT_FOUND')
      assert.equal((await exposures(c)).length, 0)
    },
  },
  {
    name: 'withdrawing what was never given succeeds, with and without the volume',
    needs: [],
    async run(c) {
      const source = await newSource(c)
      await c.provider.access.withdraw({ source, consumer: c.consumer() }, c.call())
      await c.provider.access.withdraw({ source: { kind: 'volume', id: newId() }, consumer: c.consumer() }, c.call())
    },
  },
  {
    name: 'a connection admits the initiator that was named, over a protocol that the plug-in declares',
    needs: ['plugin'],
    async run(c) {
      const { connection, consumer } = await c.exposed(await newSource(c))
      assert.ok(c.bench.plugin?.plugin.protocols.includes(connection.via), `undeclared: ${connection.via}`)
      if (connection.via === 'iscsi') assert.equal(connection.initiator, consumer.initiator)
    },
  },
  {
    name: 'an exposed volume cannot be deleted: IN_USE, and it is still there',
    needs: [],
    async run(c) {
      const source = await newSource(c)
      for (const mode of ['rw', 'ro'] as const) {
        const access = await c.exposed(source, { mode })
        await refused(c.provider.volumes.delete(source.id, c.call()), 'IN_USE')
        assert.ok(await c.has(source.id))
        await c.provider.access.withdraw(access, c.call())
      }
      await c.provider.volumes.delete(source.id, c.call())
    },
  },
  {
    name: 'a delete that is refused as IN_USE takes no access away',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      const disk = await c.connect((await c.exposed(source)).connection)
      await refused(c.provider.volumes.delete(source.id, c.call()), 'IN_USE')
      await disk.write(0, pattern(1, 4096))
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'the open session')
    },
  },
  {
    name: 'the inventory lists an exposure with its source and consumer until it is withdrawn',
    needs: [],
    async run(c) {
      const source = await newSource(c)
      const access = await c.exposed(source)
      const listed = await exposures(c)
      assert.deepEqual(
        listed.map((item) => [item.source.kind, item.source.id, item.consumer]),
        [['volume', source.id, access.consumer.id]],
      )
      await c.provider.access.withdraw(access, c.call())
      assert.equal((await exposures(c)).length, 0)
    },
  },
  {
    name: 'bytes written through a connection are read back, and unwritten ones are zeros',
    needs: ['connect'],
    async run(c) {
      await c.withDisk(await newSource(c), async (disk) => {
        await disk.write(8192, pattern(1, 65_536))
        await disk.write(12_288, pattern(2, 4096))
        sameBytes(await disk.read(0, 8192), new Uint8Array(8192), 'before what was written')
        sameBytes(await disk.read(8192, 4096), pattern(1, 65_536).subarray(0, 4096), 'written once')
        sameBytes(await disk.read(12_288, 4096), pattern(2, 4096), 'written over')
        sameBytes(await disk.read(16_384, 57_344), pattern(1, 65_536).subarray(8192), 'after what was written over')
        sameBytes(await disk.read(73_728, 8192), new Uint8Array(8192), 'after what was written')
      })
    },
  },
  {
    name: 'after a withdraw the open session of the consumer is dead, and no new one is let in',
    needs: ['connect'],
    async run(c) {
      if (c.provider.limits.withdrawal === 'host-must-detach') {
        throw new NotApplicable('the limits say that a withdrawal ends no session')
      }
      const source = await newSource(c)
      const access = await c.exposed(source)
      const disk = await c.connect(access.connection)
      await disk.write(0, pattern(1, 8192))
      await c.provider.access.withdraw(access, c.call())
      await lateWrite(disk, access.connection)
      await ioRefused(c.connect(access.connection), 'a new session after the withdraw')
      const next = await c.connect((await c.exposed(source)).connection)
      sameBytes(await next.read(0, 8192), pattern(1, 8192), 'the volume afterwards')
      await next.write(0, pattern(3, 4096))
      await lateWrite(disk, access.connection)
      sameBytes(await next.read(0, 4096), pattern(3, 4096), 'what the next consumer wrote')
      sameBytes(await next.read(4096, 4096), pattern(1, 8192).subarray(4096), 'what it did not write')
    },
  },
  {
    name: 'an initiator to which nothing was exposed is not let in',
    needs: ['connect'],
    async run(c) {
      const { connection } = await c.exposed(await newSource(c))
      const via = iscsi(c, connection)
      await ioRefused(c.connect({ ...via, initiator: c.consumer().initiator }), 'a foreign initiator')
    },
  },
  {
    name: 'a wrong CHAP secret is not let in, and neither is none',
    needs: ['connect'],
    async run(c) {
      const { chap, ...open } = iscsi(c, (await c.exposed(await newSource(c))).connection)
      if (!chap) throw new NotApplicable('targets have no CHAP')
      await ioRefused(c.connect({ ...open, chap: { ...chap, secret: 'wrongwrongwrong1' } }), 'a wrong secret')
      await ioRefused(c.connect(open), 'no CHAP at all')
    },
  },
  {
    name: 'accounts have credentials of their own, which do not open what another account may reach',
    needs: ['connect'],
    async run(c) {
      const one = iscsi(c, (await c.exposed(await newSource(c), { account: 'first' })).connection)
      const two = iscsi(c, (await c.exposed(await newSource(c), { account: 'second' })).connection)
      if (!one.chap || !two.chap) throw new NotApplicable('targets have no CHAP')
      assert.notEqual(one.chap.secret, two.chap.secret)
      await ioRefused(c.connect({ ...one, chap: two.chap }), 'credentials of another account')
    },
  },
  {
    name: 'exposures of one account share its credentials',
    needs: [],
    async run(c) {
      const one = iscsi(c, (await c.exposed(await newSource(c), { account: 'first' })).connection)
      const two = iscsi(c, (await c.exposed(await newSource(c), { account: 'first' })).connection)
      assert.deepEqual(two.chap, one.chap)
    },
  },
  {
    name: 'long names of accounts and initiators are kept apart and let in',
    needs: ['connect'],
    async run(c) {
      c.needTwoWriters()
      const [long, source] = ['../accoünt, "quoted" '.repeat(10), await newSource(c)]
      const id = newId<'host'>()
      // RFC 7143 §4.2.7.1: an iSCSI name has at most 223 bytes.
      const initiator = `iqn.1993-08.org.debian:01:${id}.`.padEnd(223, 'x')
      const consumers = [initiator, `${initiator.slice(0, -1)}y`].map((name) => {
        return { kind: 'host', id: newId<'host'>(), initiator: name } as const
      })
      for (const [index, consumer] of consumers.entries()) {
        const access = await c.exposed(source, { consumer, account: `${long}${index}` })
        if (access.connection.via === 'iscsi') assert.equal(access.connection.initiator, consumer.initiator)
        const disk = await c.connect(access.connection)
        await disk.write(index * 4096, pattern(index + 1, 4096))
      }
      sameBytes(await c.bytesOf(source, { offset: 4096, length: 4096 }), pattern(2, 4096), 'written by the second')
    },
  },
  {
    name: 'a read-only exposure serves reads and refuses writes',
    needs: ['connect'],
    async run(c) {
      const source = await newSource(c)
      await c.withDisk(source, (disk) => disk.write(0, pattern(1, 4096)))
      const disk = await c.connect((await c.exposed(source, { mode: 'ro' })).connection)
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'read through a read-only exposure')
      await ioRefused(disk.write(0, pattern(2, 4096)), 'a write through a read-only exposure')
      sameBytes(await disk.read(0, 4096), pattern(1, 4096), 'read after the write that was refused')
    },
  },
  {
    name: 'no error of a refused exposure shows a secret',
    needs: [],
    async run(c) {
      const access = await c.exposed(await newSource(c))
      const tries: readonly Exposure[] = [
        { ...access, mode: 'ro' },
        { ...access, source: { kind: 'volume', id: newId() } },
      ]
      for (const exposure of tries) {
        // What it says is looked at as everywhere; that it refuses is another case's business.
        await failureOf(c.provider.access.expose(exposure, c.call()))
      }
    },
  },
]

/** A write in a session whose access is withdrawn: refused, or to a file that is nobody's any more. */
async function lateWrite(disk: OpenDisk, { via }: Connection): Promise<void> {
  const write = disk.write(0, pattern(2, 8192))
  // Whoever has a file open is told that all went well, also when it has been unlinked; its bytes tell.
  if (via === 'file') await write.catch(() => undefined)
  else await ioRefused(write, 'a write in a session that was withdrawn')
}

async function newSource(c: StorageContext): Promise<Extract<Source, { readonly kind: 'volume' }>> {
  return { kind: 'volume', id: (await c.volume()).id }
}

async function exposures(c: StorageContext) {
  return (await c.ours()).filter((item) => item.kind === 'exposure')
}

function iscsi(c: StorageContext, connection: Connection): Extract<Connection, { readonly via: 'iscsi' }> {
  if (connection.via === 'iscsi') return connection
  throw new NotApplicable(`connections are ${connection.via}, which has no initiators and no CHAP`)
}
