import { hash } from 'node:crypto'
import { patternBytes } from '@moorage/archive-format/testing'
import type { ArchiveAccess, ImportTask, Mover, SnapshotId, VolumeId } from '@moorage/contract'
import { startWeb, type TestWeb } from '@moorage/mover/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callUnder, type MoverGround, newId, run } from './cases.ts'

const KIB = 1024
const MIB = 1024 * KIB
const CHUNK = 256 * KIB
/** Data, a hole of written zeros, and an end that fills no chunk. */
const IMAGE = Buffer.concat([patternBytes(5, MIB), Buffer.alloc(2 * MIB), patternBytes(6, MIB + 512)])
const DATA_CHUNKS = 4 + 5
const SHA256 = hash('sha256', IMAGE, 'hex')

/** What every mover keeps of imports, be it the daemon or the simulated one. */
export function importCases(start: () => Promise<MoverGround>): void {
  let ground: MoverGround
  let web: TestWeb
  beforeAll(async () => {
    ;[ground, web] = await Promise.all([start(), startWeb()])
  })
  afterAll(async () => {
    await ground.stop()
    await web.stop()
  })
  const bench: Bench = { ground: () => ground, mover: () => ground.mover, web: () => web }
  bringing(bench)
  refusing(bench)
  following(bench)
  givingUp(bench)
  copying(bench)
  asking(bench)
}

interface Bench {
  readonly ground: () => MoverGround
  readonly mover: () => Mover
  readonly web: () => TestWeb
}

async function made(bench: Bench): Promise<ArchiveAccess> {
  const archive = bench.ground().archive()
  await bench.mover().prepare(archive, { chunkBytes: CHUNK }, callUnder())
  return archive
}

function importing(archive: ArchiveAccess, url: string, more: Partial<ImportTask> = {}): ImportTask {
  const [snapshot, volume] = [newId<SnapshotId>(), newId<VolumeId>()]
  const shape = { format: 'raw', most: 16 * MIB, takenAt: 1 } as const
  return { kind: 'import', id: newId(), archive, snapshot, volume, url, ...shape, ...more }
}

function bringing(bench: Bench): void {
  test('an image comes from a web server into an archive, and is restored as a snapshot is', async () => {
    const archive = await made(bench)
    const url = bench.web().put('image.raw', IMAGE)
    const task = importing(archive, url, { checksum: { algorithm: 'sha-256', value: SHA256 } })
    expect(await bench.mover().submit(task, callUnder())).toMatchObject({ id: task.id, state: 'running' })
    const done = await run(bench.mover(), task)
    expect(done.result).toMatchObject({
      kind: 'import',
      bytes: IMAGE.length,
      fileBytes: IMAGE.length,
      fetchedBytes: IMAGE.length,
      sha256: SHA256,
      dataBytes: DATA_CHUNKS * CHUNK,
    })
    expect(done.progress).not.toHaveProperty('fetching')
    expect(await bench.mover().submit(task, callUnder())).toEqual(done)
    expect(await bench.mover().snapshot(archive, task.snapshot, callUnder())).toMatchObject({
      snapshot: task.snapshot,
      volume: task.volume,
      bytes: IMAGE.length,
      takenAt: 1,
    })
    const target = await bench.ground().end([])
    const to = { snapshot: task.snapshot, target: target.connection, blank: true }
    await run(bench.mover(), { kind: 'restore', id: newId(), archive, ...to })
    expect((await target.bytes()).subarray(0, IMAGE.length).equals(IMAGE)).toBe(true)
    const verified = await run(bench.mover(), { kind: 'verify', id: newId(), archive })
    expect(verified.result).toMatchObject({ snapshots: 1, damaged: 0 })
  })

  test('each kind of checksum is compared', async () => {
    const archive = await made(bench)
    const url = bench.web().put('sums.raw', IMAGE.subarray(0, MIB))
    for (const algorithm of ['md5', 'sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512'] as const) {
      const value = hash(algorithm.replace('-', ''), IMAGE.subarray(0, MIB), 'hex')
      await run(bench.mover(), importing(archive, url, { checksum: { algorithm, value } }))
      const wrong = `${value.startsWith('0') ? '1' : '0'}${value.slice(1)}`
      const other = importing(archive, url, { checksum: { algorithm, value: wrong } })
      await expect(run(bench.mover(), other)).rejects.toMatchObject({ code: 'DAMAGED' })
    }
    expect((await bench.mover().snapshots(archive, undefined, callUnder())).items).toHaveLength(6)
  })
}

/** The head of a qcow2 image of 1 MiB, with fields of its own. */
function qcow2(set: (head: Buffer) => void): Buffer {
  const head = Buffer.alloc(64 * KIB)
  head.write('QFI\xfb', 'latin1')
  head.writeUInt32BE(3, 4)
  head.writeUInt32BE(16, 20)
  head.writeBigUInt64BE(BigInt(MIB), 24)
  set(head)
  return head
}

function refusing(bench: Bench): void {
  test('a file that is not there, not for us, too large, empty or no image is none, and nothing is stored', async () => {
    const archive = await made(bench)
    const { put } = bench.web()
    const closed = put('closed', (_request, answer) => void answer.writeHead(403).end())
    const packed = put('packed', (_request, answer) => void answer.writeHead(200, { 'content-encoding': 'gzip' }).end())
    const endless = put('endless', (_request, answer) => void answer.writeHead(200).end(IMAGE))
    const bad: readonly (readonly [string, Partial<ImportTask>, string])[] = [
      [put('there', IMAGE).replace('there', 'nowhere'), {}, 'NOT_FOUND'],
      [closed, {}, 'DENIED'],
      [put('large', IMAGE), { most: IMAGE.length - 1 }, 'LIMIT'],
      [endless, { most: IMAGE.length - 1 }, 'LIMIT'],
      [packed, {}, 'INVALID'],
      [put('empty', Buffer.alloc(0)), {}, 'INVALID'],
      [put('raw', IMAGE), { format: 'qcow2' }, 'INVALID'],
    ]
    for (const [url, more, code] of bad)
      await expect(run(bench.mover(), importing(archive, url, more))).rejects.toMatchObject({ code })
    expect(await bench.mover().snapshots(archive, undefined, callUnder())).toEqual({ items: [] })
    const collected = await run(bench.mover(), { kind: 'collect', id: newId(), archive })
    expect(collected.result).toMatchObject({ condemned: 0 })
  })

  test('a qcow2 image that would be read with the eyes of the mover is refused before anybody opens it', async () => {
    const archive = await made(bench)
    const bad: readonly (readonly [string, (head: Buffer) => void])[] = [
      ['names a backing file', (head) => head.writeBigUInt64BE(512n, 8)],
      ['names a backing file', (head) => head.writeUInt32BE(11, 16)],
      ['is encrypted', (head) => head.writeUInt32BE(2, 32)],
      ['has its data in another file', (head) => head.writeBigUInt64BE(4n, 72)],
      ['is corrupt', (head) => head.writeBigUInt64BE(2n, 72)],
      ['features that are not known', (head) => head.writeBigUInt64BE(1n << 40n, 72)],
      ['of version 2 or 3', (head) => head.writeUInt32BE(4, 4)],
      ['holds a disk of 0 bytes', (head) => head.writeBigUInt64BE(0n, 24)],
    ]
    for (const [why, set] of bad) {
      const url = bench.web().put('bad.qcow2', qcow2(set))
      const refused = run(bench.mover(), importing(archive, url, { format: 'qcow2' }))
      await expect(refused).rejects.toMatchObject({ code: 'INVALID' })
      await expect(refused).rejects.toThrow(why)
    }
    const large = bench.web().put(
      'large.qcow2',
      qcow2((head) => head.writeBigUInt64BE(1n << 40n, 24)),
    )
    const over = run(bench.mover(), importing(archive, large, { format: 'qcow2' }))
    await expect(over).rejects.toMatchObject({ code: 'LIMIT' })
  })
}

function following(bench: Bench): void {
  test('a server may send on a few times, but not to other kinds of places', async () => {
    const archive = await made(bench)
    const { put } = bench.web()
    const to = (place: string) =>
      put(`to ${place}`.replaceAll(/\W/g, '-'), (_request, answer) => {
        answer.writeHead(302, { location: place }).end()
      })
    const there = put('moved.raw', IMAGE)
    expect(await run(bench.mover(), importing(archive, to(to(there))))).toMatchObject({ state: 'done' })
    const round = put('round', (_request, answer) => void answer.writeHead(301, { location: '/round' }).end())
    for (const url of [to('file:///etc/passwd'), to(there.replace('//', '//user:word@')), round])
      await expect(run(bench.mover(), importing(archive, url))).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('a server that fails for a moment, or whose line drops, is asked again', async () => {
    const archive = await made(bench)
    let times = 0
    const url = bench.web().put('shaky.raw', (_request, answer) => {
      times += 1
      if (times === 1) answer.writeHead(503).end()
      else if (times > 2) answer.writeHead(200, { 'content-length': IMAGE.length }).end(IMAGE)
      else {
        answer.writeHead(200, { 'content-length': IMAGE.length })
        answer.write(IMAGE.subarray(0, MIB), () => answer.destroy())
      }
    })
    const task = importing(archive, url, { checksum: { algorithm: 'sha-256', value: SHA256 } })
    // Whether a mover asks again by itself, or when it is asked: the job fails so that it may be.
    const tried = () => run(bench.mover(), task).catch((error: unknown) => error)
    let came: unknown
    for (let tries = 0; tries < 3 && !isDone(came); tries += 1) {
      came = await tried()
      if (!isDone(came)) expect(came).toMatchObject({ code: 'UNAVAILABLE' })
    }
    expect(came).toMatchObject({ state: 'done' })
    expect(times).toBe(3)
  })
}

function isDone(came: unknown): boolean {
  return typeof came === 'object' && came !== null && 'state' in came && came.state === 'done'
}

function givingUp(bench: Bench): void {
  test('an import obeys cancel, abandon and fences as archiving does', async () => {
    const archive = await made(bench)
    const task = importing(archive, bench.web().put('slow.raw', IMAGE), { bytesPerSecond: 64 * KIB })
    await bench.mover().submit(task, callUnder())
    await expect(bench.mover().forget(task.id, callUnder())).rejects.toMatchObject({ code: 'BUSY' })
    await bench.mover().cancel(task.id, callUnder())
    expect(await bench.mover().job(task.id, callUnder())).toMatchObject({ state: 'cancelled' })
    const other = bench.mover().submit({ ...task, url: `${task.url}?other` }, callUnder())
    await expect(other).rejects.toMatchObject({ code: 'CONFLICT' })
    await run(bench.mover(), { ...task, bytesPerSecond: 1024 * MIB })
    await bench.mover().remove(archive, task.snapshot, callUnder(8))
    const late = importing(archive, task.url, { snapshot: task.snapshot })
    await expect(bench.mover().submit(late, callUnder(7))).rejects.toMatchObject({ code: 'FENCED' })
    await bench.mover().forget(task.id, callUnder())
    expect(await bench.mover().job(task.id, callUnder())).toBeUndefined()
  })
}

function copying(bench: Bench): void {
  test('what an archive holds is there under another id, too, and stays when the first is taken out', async () => {
    const archive = await made(bench)
    const first = importing(archive, bench.web().put('copied.raw', IMAGE))
    await run(bench.mover(), first)
    const [id, snapshot, volume] = [newId(), newId<SnapshotId>(), newId<VolumeId>()]
    const task = { kind: 'copy', id, archive, from: first.snapshot, snapshot, volume, takenAt: 2 } as const
    const sizes = { bytes: IMAGE.length, dataBytes: DATA_CHUNKS * CHUNK }
    expect((await run(bench.mover(), task)).result).toEqual({ kind: 'copy', ...sizes })
    await bench.mover().forget(id, callUnder())
    expect((await run(bench.mover(), task)).result).toEqual({ kind: 'copy', ...sizes })
    await bench.mover().remove(archive, first.snapshot, callUnder())
    const collected = await run(bench.mover(), { kind: 'collect', id: newId(), archive })
    expect(collected.result).toMatchObject({ condemned: 0, waitsFor: [] })
    expect(await bench.mover().snapshot(archive, snapshot, callUnder())).toMatchObject({ volume, ...sizes, takenAt: 2 })
    const target = await bench.ground().end([])
    await run(bench.mover(), {
      kind: 'restore',
      id: newId(),
      archive,
      snapshot,
      target: target.connection,
      blank: true,
    })
    expect((await target.bytes()).subarray(0, IMAGE.length).equals(IMAGE)).toBe(true)
    const lost = { ...task, id: newId(), snapshot: newId<SnapshotId>() }
    await expect(run(bench.mover(), lost)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
}

function asking(bench: Bench): void {
  test('an import that asks for what there is not is refused by the name of what is wrong', async () => {
    const task = importing(await made(bench), 'http://127.0.0.1:1/x')
    const bad: readonly (readonly [object, string])[] = [
      [{ url: 'file:///etc/passwd' }, 'url'],
      [{ url: 'http://user:word@127.0.0.1/x' }, 'url'],
      [{ format: 'vmdk' }, 'format'],
      [{ most: 0 }, 'most'],
      [{ checksum: { algorithm: 'crc', value: '00' } }, 'checksum.algorithm'],
      [{ checksum: { algorithm: 'md5', value: 'AB'.repeat(16) } }, 'checksum.value'],
      [{ checksum: { algorithm: 'sha-256', value: 'ab' } }, 'checksum.value'],
    ]
    for (const [wrong, name] of bad) {
      const refused = bench.mover().submit({ ...task, ...wrong }, callUnder())
      await expect(refused).rejects.toMatchObject({ code: 'INVALID', effect: 'none' })
      await expect(refused).rejects.toThrow(name)
    }
  })
}
