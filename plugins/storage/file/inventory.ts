import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Call, HostId, InventoryItem, Page, SnapshotId, Source, VolumeId } from '@moorage/contract'
import { unlessAbsent } from '@moorage/files'
import { DRAFT } from './durable.ts'
import { raw, qcow2 } from './format.ts'
import { recordAt } from './objects.ts'
import { FOLDERS, look, type Pool, recordOf } from './pool.ts'

const PAGE = 500
const FORMATS = [raw, qcow2]
/** A draft this old belongs to no call that is still under way. */
const DRAFT_LEFT_MS = 15 * 60_000

/** `inventory.list`. The cursor is the name that the page before ended with. */
export function listInventory(pool: Pool, cursor: string | undefined, call: Call): Promise<Page<InventoryItem>> {
  return look(pool, { call }, async () => {
    const names = (await namesIn(pool)).filter((name) => cursor === undefined || name > cursor)
    const page = names.slice(0, PAGE)
    const items: InventoryItem[] = []
    for (const name of page) {
      const item = await describe(pool, name)
      if (item) items.push(item)
    }
    const last = page.at(-1)
    return names.length > PAGE && last !== undefined ? { items, next: last } : { items }
  })
}

/** What is in the directory, sorted: files two levels deep, access three; of what nobody's folders are, the topmost name. */
async function namesIn({ root }: Pool): Promise<readonly string[]> {
  const names: string[] = []
  for (const top of await entries(root)) {
    if (top.startsWith('.moorage-pool')) continue
    // Where an installation works there are its locks, before anything else.
    if (!(await entries(join(root, top))).includes('locks')) {
      names.push(top)
      continue
    }
    for (const folder of Object.values(FOLDERS)) names.push(...(await below(root, join(top, folder))))
    for (const door of await below(root, join(top, 'access'))) names.push(...(await below(root, door)))
  }
  return names.toSorted()
}

async function below(root: string, folder: string): Promise<readonly string[]> {
  return (await entries(join(root, folder))).map((name) => join(folder, name))
}

async function entries(path: string): Promise<readonly string[]> {
  const found = await readdir(path).catch((error: unknown) => {
    // A file, or what was removed meanwhile, holds nothing.
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))) return []
    throw error
  })
  return found
}

async function describe(pool: Pool, name: string): Promise<InventoryItem | undefined> {
  const [owner, folder, ...rest] = name.split('/')
  const path = join(pool.root, name)
  const file = await unlessAbsent(stat(path))
  if (!file || (name.endsWith(DRAFT) && Date.now() - file.ctimeMs < DRAFT_LEFT_MS)) return undefined
  const format = FORMATS.find((each) => name.endsWith(`.${each.name}`))
  const bytes = folder !== undefined && format ? ((await format.bytesOf(path).catch(() => file.size)) ?? 0) : file.size
  const kind = folder === 'volumes' ? 'volume' : folder === 'snapshots' ? 'snapshot' : 'exposure'
  if (owner !== pool.owner || folder === undefined) {
    return { kind: folder === undefined ? 'structure' : kind, owner: 'foreign', name, bytes }
  }
  return mine(pool, { name, bytes, kind, rest })
}

/** What is in our own folder, and named as we name things; anything else there is not ours. */
async function mine(
  pool: Pool,
  found: {
    readonly name: string
    readonly bytes: number
    readonly kind: 'volume' | 'snapshot' | 'exposure'
    readonly rest: readonly string[]
  },
): Promise<InventoryItem> {
  const { name, bytes, kind, rest } = found
  const foreign = { kind, owner: 'foreign', name, bytes } as const
  if (name.endsWith(DRAFT)) return { kind: 'structure', owner: 'ours', id: name, name, bytes }
  if (kind === 'exposure') {
    const [consumer, door = ''] = rest
    const source = sourceOf(/^(volume|snapshot)-([0-9a-f-]{36})\.\w+$/.exec(door))
    // The folder of a consumer is named after it.
    return source ? { kind, owner: 'ours', source, consumer: consumer as HostId, name, bytes: 0 } : foreign
  }
  const source = sourceOf([kind, kind, /^([0-9a-f-]{36})\.\w+$/.exec(rest[0] ?? '')?.[1]])
  if (!source) return foreign
  const { createdAt, volume } = await recordAt(recordOf(pool, source))
  const made = createdAt === undefined ? {} : { createdAt }
  if (source.kind === 'volume') return { ...source, owner: 'ours', name, bytes, ...made }
  // Without its record nobody knows what it is a snapshot of.
  return volume === undefined ? foreign : { ...source, owner: 'ours', volume: volume as VolumeId, name, bytes, ...made } // Only we write records.
}

function sourceOf(found: readonly (string | undefined)[] | null): Source | undefined {
  const [, kind, id] = found ?? []
  if (id === undefined) return undefined
  // Files of ours are named after ids of ours.
  return kind === 'volume' ? { kind, id: id as VolumeId } : { kind: 'snapshot', id: id as SnapshotId }
}
