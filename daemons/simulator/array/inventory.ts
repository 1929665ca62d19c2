import type { InventoryItem, Page, Qos, Source } from '@moorage/contract'
import { invalid, text } from '../check.ts'
import type { ArrayRequest } from './array.ts'
import { type ExposureRow, targetOf } from './access.ts'
import { type SnapshotRow, snapshotName } from './snapshots.ts'
import { type VolumeRow, volumeName } from './volumes.ts'

interface Found {
  readonly key: string
  readonly item: InventoryItem
}

type Section = (request: ArrayRequest, after: string, limit: number) => readonly Found[]

/** Sections in the order in which they are listed; a cursor names a section and the last key seen in it. */
const SECTIONS = { volume: volumes, snapshot: snapshots, exposure: exposures, group: groups } as const satisfies Record<
  string,
  Section
>

/**
 * Method `inventory/list`: what the array holds, of every owner, in pages by key, so that what changes between two pages
 * is seen or not but nothing else is missed. A group that is prepared and waits for its commit is a structure.
 */
export function listInventory(request: ArrayRequest): Page<InventoryItem> {
  const limit = request.array.pageItems
  const [start, after] = readCursor(request.args['cursor'])
  const names = Object.keys(SECTIONS) as (keyof typeof SECTIONS)[] // The keys of a constant.
  const items: InventoryItem[] = []
  for (const name of names.slice(names.indexOf(start))) {
    const found = SECTIONS[name](request, name === start ? after : '', limit - items.length)
    items.push(...found.map(({ item }) => item))
    if (items.length === limit) return { items, next: `${name}:${found.at(-1)?.key ?? ''}` }
  }
  return { items }
}

/** Method `inventory/remove`: of a prepared group, which is all that is ever left; what is not there is removed already. */
export function removeStructure({ store, array, owner, args }: ArrayRequest): void {
  const id = text(args['structure'], 'structure')
  store.run('DELETE FROM groups WHERE array = ? AND id = ? AND owner = ? AND committed = 0', array.name, id, owner)
}

function readCursor(cursor: unknown): readonly [keyof typeof SECTIONS, string] {
  if (cursor === undefined) return ['volume', '']
  const [name, key] = typeof cursor === 'string' ? cursor.split(':', 2) : []
  if (name === undefined || key === undefined || !Object.hasOwn(SECTIONS, name)) throw invalid('cursor is none of ours')
  return [name as keyof typeof SECTIONS, key] // Just looked up.
}

function volumes({ store, array, owner }: ArrayRequest, after: string, limit: number): readonly Found[] {
  const sql = 'SELECT * FROM volumes WHERE array = ? AND id > ? ORDER BY id LIMIT ?'
  return store.all<VolumeRow>(sql, array.name, after, limit).map((row) => {
    const common = { name: volumeName(row.id), bytes: row.bytes, createdAt: row.createdAt, kind: 'volume' } as const
    const qos = JSON.parse(row.qos) as Qos // Written by setQos only, from a checked vector.
    return { key: row.id, item: row.owner === owner ? { ...common, owner: 'ours', id: row.id, qos } : foreign(common) }
  })
}

function snapshots({ store, array, owner }: ArrayRequest, after: string, limit: number): readonly Found[] {
  const sql = 'SELECT * FROM snapshots WHERE array = ? AND id > ? ORDER BY id LIMIT ?'
  return store.all<SnapshotRow>(sql, array.name, after, limit).map((row) => {
    const { id, volume } = row
    const common = { name: snapshotName(id), bytes: row.bytes, createdAt: row.takenAt, kind: 'snapshot' } as const
    return { key: id, item: row.owner === owner ? { ...common, owner: 'ours', id, volume } : foreign(common) }
  })
}

function exposures({ store, array, owner }: ArrayRequest, after: string, limit: number): readonly Found[] {
  const sql = 'SELECT * FROM exposures WHERE array = ? AND key > ? ORDER BY key LIMIT ?'
  return store.all<ExposureRow>(sql, array.name, after, limit).map((row) => {
    const source = { kind: row.sourceKind, id: row.sourceId } as Source // Stored by expose, which read it as a Source.
    const name = `${targetOf(array.name, source)} to ${row.initiator}`
    const common = { name, bytes: 0, createdAt: row.createdAt, kind: 'exposure' } as const
    const consumer = row.consumer as Extract<InventoryItem, { source: Source }>['consumer'] // Stored by expose, checked.
    return {
      key: row.key,
      item: row.owner === owner ? { ...common, owner: 'ours', source, consumer, mode: row.mode } : foreign(common),
    }
  })
}

function groups({ store, array, owner }: ArrayRequest, after: string, limit: number): readonly Found[] {
  const sql = `SELECT id, owner FROM groups WHERE array = ? AND id > ? AND committed = 0 AND expiresAt > ? ORDER BY id LIMIT ?`
  const rows = store.all<{ id: string; owner: string }>(sql, array.name, after, Date.now(), limit)
  return rows.map((row) => {
    const common = { name: `group ${row.id}`, bytes: 0, kind: 'structure' } as const
    return { key: row.id, item: row.owner === owner ? { ...common, owner: 'ours', id: row.id } : foreign(common) }
  })
}

function foreign<Common extends Pick<InventoryItem, 'name' | 'bytes' | 'kind'>>(common: Common) {
  return { ...common, owner: 'foreign' } as const
}
