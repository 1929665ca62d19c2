import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { newKey } from '@moorage/archive-format'
import { patternBytes } from '@moorage/archive-format/testing'
import type {
  ArchiveAccess,
  Connection,
  HostId,
  Mover,
  SnapshotId,
  Source,
  StorageProvider,
  VolumeId,
} from '@moorage/contract'
import { startMover, type TestMover } from '@moorage/mover/testing'
import { type S3Emulator, startS3Emulator } from '@moorage/s3-emulator'
import { openDisk, startTestSan, type TestSan } from '@moorage/san/testing'
import { fileStorage } from '@moorage/storage-file'
import { linuxSan } from '@moorage/storage-linux-san'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callUnder, newId, run } from './cases.ts'

const execute = promisify(execFile)
const MIB = 1024 * 1024
const SIZE = 64 * MIB
const BUCKET = 'archive'
const S3 = { accessKey: 'key-id', secretKey: `secret/${randomUUID()}` }

let directory: string
let daemon: TestMover
let san: TestSan
let emulator: S3Emulator
let array: StorageProvider
let files: StorageProvider
let fence = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'providers-'))
  await mkdir(join(directory, 'pool'))
  await mkdir(join(directory, 'archive'))
  ;[daemon, san, emulator] = await Promise.all([
    startMover(),
    startTestSan({ iops: 100_000 }),
    startS3Emulator({ ...S3, buckets: [BUCKET] }),
  ])
  array = linuxSan.open(san.endpoint)
  const url = pathToFileURL(join(directory, 'pool')).href
  files = fileStorage.open({ url, settings: { format: 'qcow2' }, owner: 'providers' })
})
afterAll(async () => {
  await daemon.stop()
  await emulator.stop()
  await san.stop()
  await rm(directory, { recursive: true })
})

const ARCHIVES = {
  'a directory': () => {
    const url = pathToFileURL(join(directory, 'archive')).href
    return { plugin: 'directory', endpoint: { url, settings: {}, owner: 'test' }, key: newKey() }
  },
  S3: () => {
    const settings = { accesskey: S3.accessKey, secretkey: S3.secretKey }
    const endpoint = { url: `s3+http://${emulator.authority}/${BUCKET}`, settings, owner: 'test' }
    return { plugin: 's3', endpoint, key: newKey() }
  },
} as const satisfies Record<string, () => ArchiveAccess>

test.for(['a directory', 'S3'] as const)(
  'two snapshots of a SAN, one an increment, go into %s and from there onto another provider, byte for byte',
  async (name) => {
    const archive = ARCHIVES[name]()
    await daemon.mover.prepare(archive, { chunkBytes: MIB / 4 }, callUnder())
    const volume = newId<VolumeId>()
    await array.volumes.create({ id: volume, bytes: SIZE, qos: {}, settings: {} }, call())
    await write(volume, [
      [0, patternBytes(1, 2 * MIB)],
      [40 * MIB, patternBytes(2, MIB, true)],
    ])
    const first = await archived(archive, volume)
    await write(volume, [
      [10 * MIB + 4096, patternBytes(3, 8192)],
      [MIB, Buffer.alloc(MIB)],
    ])
    const second = await archived(archive, volume, first.snapshot)
    // Cost follows change: what was there before is not read, but for a sample, and not sent.
    expect(second.sentBytes).toBeLessThan(MIB / 4)
    expect(second.readBytes).toBeLessThan(first.readBytes * 3)
    for (const { snapshot, digest } of [first, second]) {
      expect(await restoredDigest(archive, snapshot)).toBe(digest)
    }
    expect(first.digest).not.toBe(second.digest)
    // The volume and its snapshots go; what is archived stays, and is whole.
    for (const { snapshot } of [first, second]) await array.snapshots?.delete(snapshot, call())
    await array.volumes.delete(volume, call())
    expect(await restoredDigest(archive, second.snapshot)).toBe(second.digest)
    const { result } = await run(daemon.mover, { kind: 'verify', id: newId(), archive })
    expect(result).toMatchObject({ snapshots: 2, damaged: 0 })
  },
)

/** Takes a snapshot and archives it; answers its digest as read from the SAN by QEMU, and what the mover did. */
async function archived(archive: ArchiveAccess, volume: VolumeId, base?: SnapshotId) {
  const snapshot = newId<SnapshotId>()
  await array.snapshots?.create({ id: snapshot, volume }, call())
  const source = { kind: 'snapshot', id: snapshot } as const
  const changes = await array.changeList?.extents({ snapshot, ...(base !== undefined && { base }) }, call())
  const { result } = await granted(array, { source, mode: 'ro' }, (connection) =>
    run(daemon.mover, {
      kind: 'archive',
      id: newId(),
      archive,
      snapshot,
      volume,
      source: connection,
      takenAt: 1,
      ...(base !== undefined && { base }),
      ...(changes && { changes: changes.items }),
    }),
  )
  if (result.kind !== 'archive') throw new Error('no archive job')
  return { ...result, snapshot, digest: await digestOnSan(source) }
}

/** Restores onto a new volume of the file pool; answers the digest of its bytes, as QEMU reads its file. */
async function restoredDigest(archive: ArchiveAccess, snapshot: SnapshotId): Promise<string> {
  const id = newId<VolumeId>()
  await files.volumes.create({ id, bytes: SIZE, qos: {}, settings: {} }, call())
  const source = { kind: 'volume', id } as const
  await granted(files, { source, mode: 'rw' }, (target) =>
    run(daemon.mover, { kind: 'restore', id: newId(), archive, snapshot, target, blank: true }),
  )
  const digest = await asHost(files, { source, mode: 'ro' }, (connection) => {
    if (connection.via !== 'file') throw new Error('the file pool gives no file')
    return digestBy(['-U', '-f', connection.format, connection.path])
  })
  await files.volumes.delete(id, call())
  return digest
}

/** Gives the mover access for as long as it works. */
async function granted<Result>(
  provider: StorageProvider,
  { source, mode }: { readonly source: Source; readonly mode: 'ro' | 'rw' },
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const consumer = { kind: 'mover', ...(await identityOf(daemon.mover)) } as const
  const connection = await provider.access.expose({ source, consumer, mode, account: 'movers' }, call())
  try {
    return await work(connection)
  } finally {
    await provider.access.withdraw({ source, consumer }, call())
  }
}

async function identityOf(mover: Mover): Promise<{ readonly id: HostId; readonly initiator: string }> {
  const { id, initiator } = await mover.report(callUnder())
  return { id, initiator }
}

async function write(volume: VolumeId, runs: readonly (readonly [number, Buffer])[]): Promise<void> {
  await asHost(array, { source: { kind: 'volume', id: volume }, mode: 'rw' }, async (connection) => {
    const disk = await openDisk(connection)
    for (const [offset, bytes] of runs) await disk.write(offset, bytes)
    await disk.close()
  })
}

/** By qemu-img over iSCSI, as a host that is nobody of ours. */
async function digestOnSan(source: Source): Promise<string> {
  return asHost(array, { source, mode: 'ro' }, async (connection) => {
    if (connection.via !== 'iscsi' || !connection.chap) throw new Error('the SAN gives no CHAP')
    const { portal, iqn, lun, initiator, chap } = connection
    const secret = join(directory, randomUUID())
    await writeFile(secret, chap.secret, { mode: 0o600 })
    const image = `driver=iscsi,transport=tcp,portal=${portal},target=${iqn},lun=${lun},initiator-name=${initiator},user=${chap.user},password-secret=chap`
    return digestBy(['--object', `secret,id=chap,file=${secret}`, '--image-opts', image])
  })
}

async function asHost<Result>(
  provider: StorageProvider,
  { source, mode }: { readonly source: Source; readonly mode: 'ro' | 'rw' },
  use: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const id = newId<HostId>()
  const consumer = { kind: 'host', id, initiator: `iqn.2026-01.test.moorage:${id}` } as const
  const connection = await provider.access.expose({ source, consumer, mode, account: 'hosts' }, call())
  try {
    return await use(connection)
  } finally {
    await provider.access.withdraw({ source, consumer }, call())
  }
}

/** SHA-256 of what `qemu-img convert` makes of its source. */
async function digestBy(source: readonly string[]): Promise<string> {
  const copy = join(directory, randomUUID())
  await execute('qemu-img', ['convert', ...source, '-O', 'raw', copy])
  const digest = createHash('sha256').update(await readFile(copy))
  await rm(copy)
  return digest.digest('hex')
}

function call() {
  fence += 1
  return callUnder(fence)
}
