import { execFile, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { newKey } from '@moorage/archive-format'
import { patternBytes } from '@moorage/archive-format/testing'
import type {
  ArchiveAccess,
  Connection,
  Extent,
  HostId,
  MoverJob,
  MoverJobId,
  SnapshotId,
  Source,
  StorageProvider,
  VolumeId,
} from '@moorage/contract'
import { openDisk, SAN_LIMITS, startTestSan, type TestSan } from '@moorage/san/testing'
import { remoteStorage, wireClient } from '@moorage/wire'
import { moverCall, startMover, type TestMover } from './testing.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
const SIZE = 64 * MIB

let directory = ''
let mover: TestMover
let san: TestSan
let provider: StorageProvider
let fence = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ends-'))
  mover = await startMover()
  san = await startTestSan({ iops: 100_000 })
  const { url, user, password, endpoint } = san
  provider = remoteStorage({
    remote: wireClient({ url, user, password }),
    limits: SAN_LIMITS,
    can: ['snapshots', 'changeList'],
    context: { pool: 'pool1', owner: endpoint.owner },
  })
})
afterAll(async () => {
  await mover.stop()
  await san.stop()
  await rm(directory, { recursive: true })
})

test('a SAN: snapshot, archive, increment by its list of changes, restore onto a volume that holds something else', async () => {
  const archive = await prepared()
  const volume = await newVolume()
  await write(volume, [
    [0, patternBytes(1, 2 * MIB)],
    [40 * MIB, patternBytes(2, MIB, true)],
  ])
  const first = await snapshotOf(volume)
  const full = await take(archive, { volume, snapshot: first })
  expect(full.readBytes).toBeLessThan(8 * MIB)
  await write(volume, [
    [10 * MIB + 4096, patternBytes(3, 8192)],
    [MIB, Buffer.alloc(MIB)],
  ])
  const second = await snapshotOf(volume)
  const changes = await changesOf(first, second)
  expect(changes.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(2 * MIB)
  const more = await take(archive, { volume, snapshot: second, base: first, changes })
  expect(more.sentBytes).toBeLessThan(100_000)
  for (const snapshot of [first, second]) {
    const target = await newVolume()
    await write(target, [[20 * MIB, patternBytes(9, 4 * MIB)]])
    const connection = await exposed({ kind: 'volume', id: target }, 'rw')
    await mover.run({ ...ids(archive), kind: 'restore', snapshot, target: connection, blank: false })
    await withdrawn({ kind: 'volume', id: target })
    expect(await digestOf({ kind: 'volume', id: target })).toBe(await digestOf({ kind: 'snapshot', id: snapshot }))
  }
})

test('a CHAP secret is in no argument of any process, and a wrong one is DENIED, naming neither; where access was withdrawn the SAN hangs up', async () => {
  const archive = await prepared()
  const volume = await newVolume()
  await write(volume, [[0, patternBytes(1, 8 * MIB)]])
  const snapshot = await snapshotOf(volume)
  const source = await exposed({ kind: 'snapshot', id: snapshot }, 'ro')
  if (source.via !== 'iscsi' || !source.chap) throw new Error('the SAN gives no CHAP')
  const task = {
    ...ids(archive),
    kind: 'archive',
    snapshot,
    volume,
    source,
    takenAt: 1,
    bytesPerSecond: 2 * MIB,
  } as const
  await mover.mover.submit(task, moverCall())
  const seen = await argumentsWhile('qemu-storage-daemon')
  expect(seen).not.toContain(source.chap.secret)
  await mover.mover.cancel(task.id, moverCall())
  const wrong = { ...source, chap: { ...source.chap, secret: 'not-the-secret' } }
  const failed = mover.run({ ...task, ...ids(archive), source: wrong })
  await expect(failed).rejects.toMatchObject({ code: 'DENIED' })
  await expect(failed).rejects.not.toThrow(/not-the-secret/)
  expect(await mover.logs()).not.toContain(source.chap.secret)
  await withdrawn({ kind: 'snapshot', id: snapshot })
  await expect(mover.run({ ...task, ...ids(archive) })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test.for(['raw', 'qcow2'] as const)(
  'an NBD server and a %s image are read with their holes, and written',
  async (format) => {
    const archive = await prepared()
    const image = join(directory, `source.${format}`)
    await run('qemu-img', ['create', '-q', '-f', format, image, String(SIZE)])
    const part = join(directory, 'part')
    await writeFile(part, patternBytes(4, 3 * MIB))
    await run('qemu-io', ['-f', format, '-c', `write -q -s ${part} ${30 * MIB} ${3 * MIB}`, image])
    const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
    const volume = randomUUID() as string as VolumeId // The same.
    const server = await nbdServer(image, format)
    onTestFinished(server.stop)
    const common = { kind: 'archive', snapshot, volume, takenAt: 1 } as const
    const served = await mover.run({ ...common, ...ids(archive), source: server.connection })
    expect(served.result).toMatchObject({ bytes: SIZE })
    // QEMU writes the first block of a raw image, to find out how it is aligned.
    expect(readBytesOf(served)).toBeLessThanOrEqual(4 * MIB)
    // The same through a file: what is there is not sent again.
    const file = { via: 'file', path: image, format } as const
    const again = randomUUID() as string as SnapshotId // The same.
    const read = await mover.run({ ...common, ...ids(archive), snapshot: again, source: file })
    expect(read.result).toMatchObject({ sentBytes: 0 })
    // Over what is there.
    await run('qemu-io', ['-f', 'raw', '-c', `write -q -P 7 0 ${SIZE}`, server.raw])
    const target = { ...server.connection, export: 'target' }
    await mover.run({ ...ids(archive), kind: 'restore', snapshot, target, blank: false })
    await server.stop()
    await run('qemu-img', ['compare', '-f', format, '-F', 'raw', image, server.raw])
  },
)

function readBytesOf({ result }: Extract<MoverJob, { state: 'done' }>): number {
  return result.kind === 'archive' ? result.readBytes : Number.NaN
}

function ids(archive: ArchiveAccess) {
  return { id: randomUUID() as string as MoverJobId, archive } // An id is a UUID.
}

async function prepared(): Promise<ArchiveAccess> {
  const path = await mkdtemp(join(directory, 'archive-'))
  const endpoint = { url: pathToFileURL(path).href, settings: {}, owner: 'test' }
  const archive = { plugin: 'directory', endpoint, key: newKey() }
  await mover.mover.prepare(archive, {}, moverCall())
  return archive
}

function call() {
  fence += 1
  return { ...moverCall(), fence }
}

async function newVolume(): Promise<VolumeId> {
  const id = randomUUID() as string as VolumeId // An id is a UUID.
  await provider.volumes.create({ id, bytes: SIZE, qos: {}, settings: {} }, call())
  return id
}

async function snapshotOf(volume: VolumeId): Promise<SnapshotId> {
  const id = randomUUID() as string as SnapshotId // An id is a UUID.
  await provider.snapshots?.create({ id, volume }, call())
  return id
}

async function changesOf(base: SnapshotId, snapshot: SnapshotId): Promise<readonly Extent[]> {
  const page = await provider.changeList?.extents({ base, snapshot }, call())
  return page?.items ?? []
}

async function consumer() {
  const { id, initiator } = await mover.mover.report(moverCall())
  return { kind: 'mover', id, initiator } as const
}

async function exposed(source: Source, mode: 'ro' | 'rw'): Promise<Connection> {
  return provider.access.expose({ source, consumer: await consumer(), mode, account: 'movers' }, call())
}

async function withdrawn(source: Source): Promise<void> {
  await provider.access.withdraw({ source, consumer: await consumer() }, call())
}

async function take(
  archive: ArchiveAccess,
  what: {
    readonly volume: VolumeId
    readonly snapshot: SnapshotId
    readonly base?: SnapshotId
    readonly changes?: readonly Extent[]
  },
) {
  const source: Source = { kind: 'snapshot', id: what.snapshot }
  const connection = await exposed(source, 'ro')
  const { result } = await mover.run({ ...ids(archive), kind: 'archive', ...what, source: connection, takenAt: 1 })
  await withdrawn(source)
  if (result.kind !== 'archive') throw new Error('no archive job')
  return result
}

/** Through QEMU's own initiator. */
async function write(volume: VolumeId, runs: readonly (readonly [number, Buffer])[]): Promise<void> {
  await withDisk({ kind: 'volume', id: volume }, async (disk) => {
    for (const [offset, bytes] of runs) await disk.write(offset, bytes)
  })
}

/** Through qemu-img, with the secret in a file of its own. */
async function digestOf(source: Source): Promise<string> {
  const id = randomUUID() as string as HostId // An id is a UUID.
  const host = { kind: 'host', id, initiator: `iqn.2026-01.test.moorage:${id}` } as const
  const found = await provider.access.expose({ source, consumer: host, mode: 'ro', account: 'hosts' }, call())
  if (found.via !== 'iscsi' || !found.chap) throw new Error('the SAN gives no CHAP')
  const [secret, copy] = [join(directory, `${id}.secret`), join(directory, id)]
  await writeFile(secret, found.chap.secret, { mode: 0o600 })
  const image = [
    `driver=iscsi,transport=tcp,portal=${found.portal},target=${found.iqn},lun=${found.lun}`,
    `initiator-name=${host.initiator},user=${found.chap.user},password-secret=chap`,
  ].join(',')
  await run('qemu-img', [
    'convert',
    '--object',
    `secret,id=chap,file=${secret}`,
    '--image-opts',
    image,
    '-O',
    'raw',
    copy,
  ])
  await provider.access.withdraw({ source, consumer: host }, call())
  const digest = createHash('sha256')
    .update(await readFile(copy))
    .digest('hex')
  await Promise.all([rm(secret), rm(copy)])
  return digest
}

async function withDisk(
  source: Source,
  use: (disk: Awaited<ReturnType<typeof openDisk>>) => Promise<void>,
): Promise<void> {
  const id = randomUUID() as string as HostId // An id is a UUID.
  const host = { kind: 'host', id, initiator: `iqn.2026-01.test.moorage:${id}` } as const
  const mode = source.kind === 'volume' ? 'rw' : 'ro'
  const disk = await openDisk(await provider.access.expose({ source, consumer: host, mode, account: 'hosts' }, call()))
  try {
    await use(disk)
  } finally {
    await disk.close()
    await provider.access.withdraw({ source, consumer: host }, call())
  }
}

/** Arguments of all processes, as soon as one of that name is among them. */
async function argumentsWhile(name: string): Promise<string> {
  for (const until = Date.now() + 20_000; Date.now() < until;) {
    const pids = (await readdir('/proc')).filter((one) => /^\d+$/.test(one))
    const all = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
    if (all.some((one) => one.startsWith(name) && one.includes('/mover-'))) return all.join('\n')
  }
  throw new Error(`no ${name} was started`)
}

/** An image behind an NBD server that is not ours, with a raw one to write to beside it. */
async function nbdServer(image: string, format: string) {
  const path = join(directory, `nbd-${format}`)
  const raw = join(directory, `target-${format}`)
  await run('qemu-img', ['create', '-q', '-f', 'raw', raw, String(SIZE)])
  const node = (name: string, driver: string, file: string) =>
    `driver=${driver},node-name=${name},discard=unmap,file.driver=file,file.filename=${file},file.locking=off,file.discard=unmap`
  const args = ['--blockdev', node('source', format, image), '--blockdev', node('target', 'raw', raw)]
  const exports = [
    '--export',
    'nbd,id=s,node-name=source,name=source',
    '--export',
    'nbd,id=t,node-name=target,name=target,writable=on',
  ]
  const server = ['--nbd-server', `addr.type=unix,addr.path=${path},max-connections=0`]
  const child = spawn('qemu-storage-daemon', [...args, ...server, ...exports], { stdio: 'inherit' })
  const ended = once(child, 'exit')
  const until = Date.now() + 20_000
  while (!(await readdir(directory)).includes(`nbd-${format}`)) {
    if (Date.now() > until || child.exitCode !== null) throw new Error('the NBD server does not start')
  }
  return {
    raw,
    connection: { via: 'nbd', uri: `nbd+unix:///?socket=${path}`, export: 'source' } as const,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
