import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdtemp, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pattern } from './testing/pattern.ts'
import type { HostId, SnapshotId, VolumeId } from '@moorage/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileStorage } from './index.ts'
import { call, newHost, newId, ours, type RawProvider } from './testing/calls.ts'
import { loopMount, type LoopMount } from './testing/loop-mount.ts'
import { openDisk } from './testing/open-disk.ts'

const MIB = 1024 * 1024
const BLOCK = 4096
const run = promisify(execFile)
let xfs: LoopMount
let ext4: LoopMount

beforeAll(async () => {
  xfs = await loopMount('xfs')
  ext4 = await loopMount('ext4')
})
afterAll(async () => {
  await xfs.stop()
  await ext4.stop()
})

async function newPool(mount = xfs, settings: Readonly<Record<string, string>> = {}) {
  const root = await mkdtemp(join(mount.path, 'pool-'))
  const url = `file://${root}`
  // Raw unless told otherwise; what is told lacks facets that its test does not use.
  return { root, url, provider: fileStorage.open({ url, settings, owner: 'installation' }) as RawProvider }
}

async function newVolume(provider: RawProvider, bytes = 8 * MIB) {
  const id = newId<'volume'>()
  const made = await provider.volumes.create({ id, bytes, qos: {}, settings: {} }, call())
  return { id, name: made.name, source: { kind: 'volume', id } as const }
}

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

async function worker(...args: readonly string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'testing/worker.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await once(child.stdout, 'data')
  return { process: child, said: () => said }
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, 'close')
  child.kill('SIGKILL')
  await exit
}

test('a pool of raw files is refused where there are no reflinks, and one of images is not', async () => {
  const rawPool = await newPool(ext4)
  const report = rawPool.provider.pools.report(call())
  await expect(report).rejects.toMatchObject({ code: 'UNSUPPORTED', effect: 'none' })
  await expect(report).rejects.toThrow('use qcow2 there')
  expect(await readdir(rawPool.root)).toEqual([])
  const { provider } = await newPool(ext4, { format: 'qcow2' })
  expect((await provider.pools.report(call())).version).toMatch(/^qcow2 on 0x/)
})

test('a pool that must be a mount point is unavailable while nothing is mounted there, and nothing is made in it', async () => {
  const settings = { mounted: 'true' }
  const away = await newPool(xfs, settings)
  for (const ask of [async () => away.provider.pools.report(call()), async () => newVolume(away.provider)]) {
    await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  }
  expect(await readdir(away.root)).toEqual([])
  const there = fileStorage.open({ url: `file://${xfs.path}`, settings, owner: 'installation' })
  const { identity } = await there.pools.report(call())
  expect((await there.pools.report(call())).identity).toBe(identity)
})

test('a withdrawal moves the bytes: same digest, same holes, another file, and no name for the consumer', async () => {
  const { root, provider } = await newPool()
  const { id, name, source } = await newVolume(provider, 256 * MIB)
  const consumer = newHost()
  const exposure = { source, consumer, mode: 'rw', account: 'a' } as const
  const connection = await provider.access.expose(exposure, call())
  const disk = await openDisk(connection)
  for (const at of [0, 77, 200]) await disk.write(at * MIB, pattern(at, 256 * 1024))
  await disk.close()
  const [before, bytes] = [await stat(join(root, name)), await digest(join(root, name))]
  await provider.access.withdraw({ source, consumer }, call())
  const after = await stat(join(root, name))
  expect(await digest(join(root, name))).toBe(bytes)
  expect([after.blocks, after.size]).toEqual([before.blocks, before.size])
  expect(after.ino).not.toBe(before.ino)
  expect(after.nlink).toBe(1)
  expect(await ours(provider)).toEqual([`volume ${id}`])
})

test.each([
  ['raw', {}],
  ['qcow2', { format: 'qcow2' }],
])(
  '%s: a volume whose space is taken ahead has all of it from the first moment, and after it has grown',
  async (_, pool) => {
    const { provider } = await newPool(xfs, pool)
    const [id, thin] = [newId<'volume'>(), newId<'volume'>()]
    const spec = { bytes: 8 * MIB, qos: {} }
    const made = await provider.volumes.create({ ...spec, id, settings: { preallocation: 'full' } }, call())
    expect(made.usedBytes).toBeGreaterThanOrEqual(8 * MIB)
    expect((await provider.resize.grow(id, 16 * MIB, call())).usedBytes).toBeGreaterThanOrEqual(16 * MIB)
    const other = await provider.volumes.create({ ...spec, id: thin, settings: { preallocation: 'none' } }, call())
    expect(other.usedBytes).toBeLessThan(8 * MIB)
    const odd = provider.volumes.create({ ...spec, id: newId<'volume'>(), settings: { preallocation: 'some' } }, call())
    await expect(odd).rejects.toMatchObject({ code: 'INVALID', effect: 'none' })
    expect(await ours(provider)).toHaveLength(2)
  },
)

test('space that was taken ahead is taken again when access ends, and by a revert and a clone', async () => {
  const { provider } = await newPool()
  const id = newId<'volume'>()
  const spec = { bytes: 8 * MIB, qos: {}, settings: { preallocation: 'full' } }
  await provider.volumes.create({ ...spec, id }, call())
  const [source, consumer] = [{ kind: 'volume', id } as const, newHost()]
  const used = async () => (await provider.volumes.get(id, call()))?.usedBytes
  const disk = await openDisk(await provider.access.expose({ source, consumer, mode: 'rw', account: 'a' }, call()))
  await disk.write(0, pattern(1, 256 * 1024))
  await disk.close()
  await provider.access.withdraw({ source, consumer }, call())
  expect(await used()).toBeGreaterThanOrEqual(8 * MIB)
  const snapshot = newId<'snapshot'>()
  await provider.snapshots.create({ id: snapshot, volume: id }, call())
  await provider.revert.revert(id, snapshot, call())
  expect(await used()).toBeGreaterThanOrEqual(8 * MIB)
  const copy = { ...spec, id: newId<'volume'>() }
  const clone = await provider.clones.clone({ kind: 'snapshot', id: snapshot }, copy, call())
  expect(clone.usedBytes).toBeGreaterThanOrEqual(8 * MIB)
})

test('killed at any moment of any change, a volume keeps its bytes, and the same changes asked again leave nothing over', async () => {
  const { root, url, provider } = await newPool()
  const { id, name } = await newVolume(provider)
  await writeFile(join(root, name), pattern(1, 8 * MIB), { flag: 'r+' })
  const base = newId<'snapshot'>()
  await provider.snapshots.create({ id: base, volume: id }, call())
  const expected = await digest(join(root, name))
  for (let round = 0; round < 12; round++) {
    const child = await worker('churn', url, id, base, String(call().fence))
    const moment = Promise.withResolvers<void>()
    setTimeout(moment.resolve, (round * 37) % 120)
    await moment.promise
    expect(child.process.exitCode).toBeNull()
    await killed(child.process)
    await undo(provider, id, child.said())
    expect(await ours(provider)).toEqual([`snapshot ${base}`, `volume ${id}`].toSorted())
    expect(await digest(join(root, name))).toBe(expected)
    const files = await readdir(root, { recursive: true })
    expect(files.filter((file) => file.includes('.draft'))).toEqual([])
  }
})

test('what a change that was killed left of a volume goes with the next change of it, whichever that is', async () => {
  const { root, provider } = await newPool()
  const { name, source } = await newVolume(provider)
  const draft = join(root, `${name}.draft`)
  await copyFile(join(root, name), draft)
  await provider.access.withdraw({ source, consumer: newHost() }, call())
  await expect(stat(draft)).rejects.toMatchObject({ code: 'ENOENT' })
})

/** What undoing does, with a higher fence: it knows the ids from the journal, whether or not anything came of them. */
async function undo(provider: RawProvider, volume: VolumeId, journal: string): Promise<void> {
  const [consumer, snapshot, clone] = journal.trim().split('\n').at(-1)?.split(' ') ?? []
  const source = { kind: 'volume', id: volume } as const
  await provider.volumes.delete(clone as VolumeId, call()) // The worker prints ids.
  await provider.snapshots.delete(snapshot as SnapshotId, call()) // As above.
  const host = { ...newHost(), id: consumer as HostId } // As above.
  await provider.access.withdraw({ source, consumer: host }, call())
}

test('the change list covers exactly what reads differently, whatever was written and discarded', async () => {
  const { root, provider } = await newPool()
  const { id, source } = await newVolume(provider, 16 * MIB)
  const connection = await provider.access.expose({ source, consumer: newHost(), mode: 'rw', account: 'a' }, call())
  await scribble(connection.via === 'file' ? connection.path : '', 1)
  const [before, after] = [newId<'snapshot'>(), newId<'snapshot'>()]
  await provider.snapshots.create({ id: before, volume: id }, call())
  await scribble(connection.via === 'file' ? connection.path : '', 2)
  await provider.snapshots.create({ id: after, volume: id }, call())
  const bytesOf = (snapshot: string) => readFile(join(root, `installation/snapshots/${snapshot}.raw`))
  const [old, now, zeros] = [await bytesOf(before), await bytesOf(after), Buffer.alloc(BLOCK)]
  const { items, next } = await provider.changeList.extents({ base: before, snapshot: after }, call())
  expect(next).toBeUndefined()
  const kinds = new Map<number, string>()
  for (const { offset, length, kind } of items) {
    for (let at = offset; at < offset + length; at += BLOCK) kinds.set(at, kind)
  }
  expect(new Set(kinds.values())).toEqual(new Set(['data', 'zero']))
  for (let at = 0; at < now.length; at += BLOCK) {
    const [was, is] = [old.subarray(at, at + BLOCK), now.subarray(at, at + BLOCK)]
    // A block that was written again with what it held lies elsewhere, and may be named.
    if (!kinds.has(at)) expect(is.equals(was), `block at ${at} is not named`).toBe(true)
    if (kinds.get(at) === 'zero') expect(is.equals(zeros), `block at ${at} is no zeros`).toBe(true)
  }
  expect(kinds.size).toBeLessThan(now.length / BLOCK / 2)
})

/** 200 writes and 40 discards of one to eight blocks, at places that follow from the seed. */
async function scribble(path: string, seed: number): Promise<void> {
  const places = new DataView(pattern(seed, 240 * 4).buffer)
  const file = await open(path, 'r+')
  const discards: string[] = []
  for (let index = 0; index < 240; index++) {
    const place = places.getUint32(index * 4)
    const [offset, length] = [(place % 4000) * BLOCK, ((place >>> 16) % 8) * BLOCK + BLOCK]
    if (index < 200) await file.write(pattern(place, length), 0, length, offset)
    else discards.push('-c', `discard ${offset} ${length}`)
  }
  await file.sync()
  await file.close()
  await run('qemu-io', ['-d', 'unmap', '-f', 'raw', ...discards, path])
}
