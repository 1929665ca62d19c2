import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { text } from '../api.ts'
import { digestOfFile } from '../verifier.ts'
import { type Caller, ensure } from './ground.ts'
import { must, type Tour, type TourVolume } from './volume.ts'

const run = promisify(execFile)
const MIB = 2 ** 20

/** Where snapshots are archived, by what, and the pool that one is restored to: directories of this machine. */
export interface Vault {
  readonly mover: { readonly url: string; readonly user: string; readonly password: string }
  readonly archive: string
  readonly files: string
}

/** A snapshot of the tour, with the digest of the whole volume at that point in time, as it was read outside of Moorage. */
export interface TourSnapshot {
  readonly id: string
  readonly digest: string
}

/** Registers the mover, the archive, and the pool of files; what is there already stays. */
export async function prepareVault(tour: Pick<Tour, 'api' | 'out' | 'cloud'>, vault: Vault): Promise<void> {
  const { api, out, cloud } = tour
  const zoneid = cloud.zone
  await out.step('mover, archive, and a pool of files', async () => {
    const { url, user: username, password } = vault.mover
    const more = { zoneid, url, username, password }
    await ensure(api, { list: 'listMovers', create: 'addMover', find: { name: 'lab' }, more })
    await ensure(api, {
      list: 'listImageStores',
      create: 'addImageStore',
      find: { name: 'vault' },
      more: { zoneid, provider: 'directory', url: `file://${vault.archive}` },
    })
    const pool = { zoneid, scope: 'zone', hypervisor: 'KVM', provider: 'file', url: `file://${vault.files}` }
    await ensure(api, {
      list: 'listStoragePools',
      create: 'createStoragePool',
      find: { name: 'files' },
      more: { ...pool, managed: 'true', tags: 'files', 'details[0].format': 'qcow2' },
    })
    await ensure(api, {
      list: 'listDiskOfferings',
      create: 'createDiskOffering',
      find: { name: 'tour-files' },
      more: { displaytext: 'in files', customized: 'true', tags: 'files' },
    })
    return 'encrypted, deduplicated, compressed'
  })
}

/** Archives the snapshot, destroys its volume, restores it to another pool, and compares the files' bytes. Answers the volume. */
export async function archiveAndRestore(
  tour: Tour,
  vault: Vault,
  what: { readonly volume: TourVolume; readonly snapshot: TourSnapshot },
): Promise<string> {
  const { api, out } = tour
  const { volume, snapshot } = what
  await out.step('snapshot archived', async () => archiveIt(api, vault, snapshot.id))
  await out.step('volume destroyed', async () => {
    const [there] = await api.list('listVolumes', { id: volume.id })
    if (there?.['virtualmachineid'] !== undefined) await api.run('detachVolume', { id: volume.id })
    await api.run('destroyVolume', { id: volume.id, expunge: true })
    // The base of the next increment, which will not be: a controller would take it away by itself within a minute.
    const left = await api.run('archiveSnapshot', { id: snapshot.id })
    must(JSON.stringify(left['copies']).split('SECONDARY').length === 2, 'one copy is left, in the archive')
    return 'off the array, with the copy of the snapshot there'
  })
  let restored = ''
  await out.step('restored to a pool of qcow2 files', async () => {
    const offering = text((await api.list('listDiskOfferings', { name: 'tour-files' }))[0] ?? {}, 'id')
    const began = performance.now()
    const made = await api.run('createVolume', {
      name: 'tour-back',
      snapshotid: snapshot.id,
      diskofferingid: offering,
    })
    restored = text(made, 'id')
    must(made['storage'] === 'files', 'it is in the other pool')
    return `${text(made, 'state')}, ${seconds(began)}`
  })
  await out.step('compared, read by qemu-img', async () => {
    must((await digestOf(fileOf(vault.files, restored))) === snapshot.digest, 'every byte is that of the snapshot')
    return `same digest ${snapshot.digest.slice(0, 16)}`
  })
  return restored
}

async function archiveIt(api: Caller, vault: Vault, id: string): Promise<string> {
  const before = bytesBelow(vault.archive)
  const began = performance.now()
  const archived = await api.run('archiveSnapshot', { id })
  const time = seconds(began)
  must(archived['locationtype'] === 'SECONDARY', 'the snapshot is in secondary storage')
  const read = Number(archived['physicalsize'])
  const stored = bytesBelow(vault.archive) - before
  const speed = read / MIB / ((performance.now() - began) / 1000)
  const ratio = `${(read / stored).toFixed(1)} to 1`
  return `${inWords(read)} read, ${inWords(stored)} stored (${ratio}), ${time}, ${speed.toFixed(0)} MiB/s`
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`
}

function inWords(bytes: number): string {
  return bytes < MIB ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`
}

function bytesBelow(directory: string): number {
  return filesBelow(directory).reduce((sum, path) => sum + statSync(path).size, 0)
}

/** SHA-256 of the disk in a qcow2 file. */
async function digestOf(path: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-compare-'))
  try {
    const copy = join(directory, 'raw')
    await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', path, copy])
    return await digestOfFile(copy)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The file of a volume, wherever its provider has put it. */
function fileOf(directory: string, volume: string): string {
  const found = filesBelow(directory).find((path) => path.endsWith(`/${volume}.qcow2`))
  if (found === undefined) throw new Error(`volume ${volume} has no file in ${directory}`)
  return found
}

function filesBelow(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
