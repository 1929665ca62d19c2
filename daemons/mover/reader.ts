import { open, readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { manifestKeys, needManifest, openArchive, readManifest } from '@moorage/archive-format'
import { asPluginError, type Call, PluginError, type SnapshotId } from '@moorage/contract'
import { ARCHIVES } from './archives.ts'
import { openEnd } from './ends/ends.ts'
import { Progress } from './engine/budget.ts'
import { patientStore } from './engine/patience.ts'
import { runRestore } from './engine/restore-run.ts'
import { runVerify } from './engine/verify-run.ts'

/*
 * The reader that needs no server and no mover: `./moorage archive ...`. It speaks to a store, writes files, and changes nothing
 * in the archive.
 */

const USAGE = `usage: moorage archive list    --store URL [--key FILE]
       moorage archive verify  --store URL [--key FILE] [--snapshot ID]
       moorage archive restore --store URL [--key FILE] --snapshot ID --to FILE

Reads an archive without a server: its url and its key are enough.
  --store URL         as the archive was registered, for example file:///mnt/archive
  --key FILE          a file with the key of an encrypted archive
  --setting NAME=FILE a setting of the store, read from a file; may be repeated (see listStorageProviders)
  --to FILE           is made, and must not exist
Ends with 0, with 1 when something in the archive is damaged or an operation fails, with 2 when it was asked wrongly.
`

/** Asked in a way that cannot be followed. */
class Asked extends Error {}

const print = (text: string) => void process.stdout.write(`${text}\n`)

interface Options {
  readonly store?: string
  readonly key?: string
  readonly setting?: readonly string[]
  readonly snapshot?: string
  readonly to?: string
  readonly help?: boolean
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      store: { type: 'string' },
      key: { type: 'string' },
      setting: { type: 'string', multiple: true },
      snapshot: { type: 'string' },
      to: { type: 'string' },
      help: { type: 'boolean' },
    },
    allowPositionals: true,
  })
  const options: Options = values
  // `./moorage` hands its own word on.
  const [verb, ...rest] = positionals[0] === 'archive' ? positionals.slice(1) : positionals
  if (options.help === true || verb === 'help') {
    print(USAGE)
    return 0
  }
  const { signal } = new AbortController()
  const call: Call = { key: 'reader', fence: 0, deadline: Number.MAX_SAFE_INTEGER, signal }
  if (rest.length > 0) throw new Asked(`there is no ${rest.join(' ')}`)
  if (verb === 'list') return list(options, call)
  if (verb === 'verify') return check(options, call)
  if (verb === 'restore') return restore(options, call)
  throw new Asked(verb === undefined ? 'say what is to be done' : `there is no ${verb}`)
}

async function archiveOf(options: Options, call: Call) {
  const url = needed(options.store, '--store')
  const scheme = URL.parse(url)?.protocol.slice(0, -1) ?? ''
  const plugin = ARCHIVES.find(({ schemes }) => schemes.includes(scheme))
  if (!plugin) throw new Asked(`--store: must begin with ${ARCHIVES.flatMap(({ schemes }) => schemes).join(', ')}`)
  const settings: Record<string, string> = {}
  for (const one of options.setting ?? []) {
    const [, name, path] = /^([^=]+)=(.+)$/.exec(one) ?? []
    if (name === undefined || path === undefined) throw new Asked('--setting: must read NAME=FILE')
    settings[name] = (await readFile(path, 'utf8')).trim()
  }
  const store = patientStore(plugin.open({ url, settings, owner: 'reader' }), call.signal)
  const key = options.key === undefined ? undefined : (await readFile(options.key, 'utf8')).trim()
  return openArchive({ store, key }, call)
}

async function list(options: Options, call: Call): Promise<number> {
  const archive = await archiveOf(options, call)
  print(
    'SNAPSHOT                              TAKEN                     BYTES         DATA          ADDED         VOLUME',
  )
  for (const key of await manifestKeys(archive.store, undefined, call)) {
    const manifest = await readManifest(archive, key, call)
    if (!manifest) continue
    const { snapshot, takenAt, bytes, dataBytes, addedBytes, volume } = manifest
    const numbers = [bytes, dataBytes, addedBytes].map((one) => String(one).padEnd(13)).join(' ')
    print(`${snapshot}  ${new Date(takenAt).toISOString()}  ${numbers} ${volume}`)
  }
  return 0
}

async function check(options: Options, call: Call): Promise<number> {
  const archive = await archiveOf(options, call)
  const snapshot = options.snapshot as SnapshotId | undefined // One that is none is not found.
  const found = await runVerify({ archive, snapshot, progress: new Progress() }, call)
  for (const { object, what, chunk, snapshots } of found.damages) {
    print(`damaged: ${object}: ${what}${chunk === undefined ? '' : ` (chunk ${chunk})`}`)
    for (const one of snapshots) print(`  needed by snapshot ${one.snapshot} at ${one.offset}`)
  }
  print(`${found.snapshots} snapshots, ${found.checkedBytes} bytes checked, ${found.damaged} damaged`)
  return found.damaged === 0 ? 0 : 1
}

async function restore(options: Options, call: Call): Promise<number> {
  const snapshot = needed(options.snapshot, '--snapshot') as SnapshotId // One that is none is not found.
  const path = needed(options.to, '--to')
  const archive = await archiveOf(options, call)
  const { bytes } = await needManifest(archive, snapshot, call)
  const file = await open(path, 'wx', 0o600)
  await file.truncate(bytes)
  await file.close()
  const target = await openEnd({ via: 'file', path, format: 'raw' }, { use: 'write', blank: true })
  const task = { snapshot, blank: true }
  const done = await runRestore({ archive, task, target, progress: new Progress() }, call)
  print(`${path}: ${done.bytes} bytes, of which ${done.writtenBytes} written`)
  return 0
}

function needed(value: string | undefined, name: string): string {
  if (value === undefined) throw new Asked(`${name} is missing`)
  return value
}

try {
  process.exitCode = await main()
} catch (error) {
  const asked = error instanceof Asked || (error instanceof TypeError && 'code' in error)
  const { code, message } = asPluginError(error)
  const text = error instanceof Error && !(error instanceof PluginError) ? error.message : `${message} (${code})`
  process.stderr.write(`moorage archive: ${text}\n${asked ? `\n${USAGE}` : ''}`)
  process.exitCode = asked ? 2 : 1
}
