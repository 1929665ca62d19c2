import { basename } from 'node:path'
import type { InventoryItem, Page, SnapshotId, Source, VolumeId } from '@moorage/contract'
import { isOwner, isUuid } from '../check.ts'
import { mountsBelow } from '../engine/mounts.ts'
import type { PoolEntry } from '../engine/pool-files.ts'
import { fenceOf } from '../state/fences.ts'
import {
  isNodeName,
  nodeOf,
  outletName,
  outletOfIoThread,
  outletOfIqn,
  parseOutletName,
  volumeOfThrottleGroup,
} from '../state/names.ts'
import type { Caller, San } from './context.ts'

const PAGE_ITEMS = 500

/**
 * `inventory/list`: what the pool, tgtd, qemu-storage-daemon and the kernel really hold, in the order of names. Rows are
 * only asked for what cannot be seen on the back end: which consumer an initiator is. What a call under way is making or
 * removing is left out.
 */
export async function listInventory(
  san: San,
  cursor: string | undefined,
  caller: Caller,
): Promise<Page<InventoryItem>> {
  const items = await san.engine.work(caller.call, async () => [
    ...(await files(san, caller)),
    ...(await targets(san, caller)),
    ...(await structures(san, caller)),
  ])
  const key = (item: InventoryItem) => `${item.kind} ${item.name}`
  const rest = items.filter((item) => cursor === undefined || key(item) > cursor)
  const page = rest.sort((one, other) => (key(one) < key(other) ? -1 : 1)).slice(0, PAGE_ITEMS)
  const last = page.at(-1)
  return { items: page, ...(last && page.length < rest.length ? { next: key(last) } : {}) }
}

async function files(san: San, caller: Caller): Promise<readonly InventoryItem[]> {
  const entries = await san.files.list()
  return entries.flatMap((entry) => {
    const item = fileItem(san, entry, caller.owner)
    return item.source && san.locks.isHeld(fenceOf(item.source)) ? [] : [item.item]
  })
}

function fileItem(
  san: San,
  entry: PoolEntry,
  owner: string,
): { readonly item: InventoryItem; readonly source?: Source } {
  const { name, bytes, createdAt } = entry
  const [mark = '', folder = '', file = '', ...deeper] = name.split('/')
  const [id = '', volume] = file.replace(/\.raw$/, '').split('@')
  const known = deeper.length === 0 && isOwner(mark) && file.endsWith('.raw') && isUuid(id)
  const base = { name, bytes, createdAt }
  if (known && folder === 'volumes' && volume === undefined) {
    const source = { kind: 'volume', id: id as VolumeId } as const // The pattern of an id was checked.
    if (mark !== owner) return { item: { ...base, kind: 'volume', owner: 'foreign' }, source }
    // A revert replaces the file: when the volume was made is remembered, not seen.
    const since = san.objects.volume(source.id)?.createdAt ?? createdAt
    return { item: { ...base, createdAt: since, kind: 'volume', owner: 'ours', id: source.id }, source }
  }
  if (known && folder === 'snapshots' && volume !== undefined && isUuid(volume)) {
    const source = { kind: 'snapshot', id: id as SnapshotId } as const // The pattern of an id was checked.
    if (mark !== owner) return { item: { ...base, kind: 'snapshot', owner: 'foreign' }, source }
    // The pattern of an id was checked.
    return { item: { ...base, kind: 'snapshot', owner: 'ours', id: source.id, volume: volume as VolumeId }, source }
  }
  return { item: { ...base, kind: 'volume', owner: 'foreign' } }
}

/** Who can log in where: exposures. A target that admits nobody serves nobody. */
async function targets(san: San, caller: Caller): Promise<readonly InventoryItem[]> {
  const found: InventoryItem[] = []
  for (const { iqn, acl } of await san.engine.tgtd.client.targets()) {
    const name = outletOfIqn(iqn)
    const outlet = name === undefined ? undefined : parseOutletName(name)
    if (!outlet) {
      found.push({ kind: 'structure', owner: 'foreign', name: iqn, bytes: 0 })
      continue
    }
    if (san.locks.isHeld(fenceOf(outlet.source))) continue
    const rows = san.access.exposures(outlet.source)
    if (acl.length === 0) found.push(structure(san, { name: iqn, source: outlet.source, caller }))
    for (const initiator of acl) {
      const row = rows.find((each) => each.initiator === initiator && each.mode === outlet.mode)
      const base = { kind: 'exposure', name: `${iqn} ${initiator}`, bytes: 0 } as const
      if (row?.owner !== caller.owner) found.push({ ...base, owner: 'foreign' })
      else {
        const { source, consumer, createdAt } = row
        found.push({ ...base, owner: 'ours', source, consumer, createdAt })
      }
    }
  }
  return found
}

/** What serves nobody and should not be there. */
async function structures(san: San, caller: Caller): Promise<readonly InventoryItem[]> {
  const held = await san.engine.qsd.holdings()
  const served = new Set(san.access.allExposures().map(({ source, mode }) => outletName(source, mode)))
  const nodes = new Set(san.access.allExposures().map(({ source, mode }) => nodeOf(source, mode)))
  const found: InventoryItem[] = []
  const leftover = (name: string, source: Source | undefined) => {
    if (!source || !san.locks.isHeld(fenceOf(source))) found.push(structure(san, { name, source, caller }))
  }
  const mounted = (await mountsBelow(san.exports)).map((point) => basename(point))
  const outlets = [
    ...held.exports.map((name) => ({ name: `export ${name}`, outlet: name })),
    ...held.threads.map((name) => ({ name: `thread ${name}`, outlet: outletOfIoThread(name) ?? name })),
    ...mounted.filter((name) => !held.exports.includes(name)).map((name) => ({ name: `mount ${name}`, outlet: name })),
  ]
  for (const { name, outlet } of outlets) {
    const dead = name.startsWith('mount ')
    if (dead || !served.has(outlet)) leftover(name, parseOutletName(outlet)?.source)
  }
  for (const node of held.nodes) if (isNodeName(node) && !nodes.has(node)) leftover(`node ${node}`, undefined)
  for (const group of held.throttleGroups) {
    const volume = volumeOfThrottleGroup(group)
    const source = volume === undefined ? undefined : ({ kind: 'volume', id: volume as VolumeId } as const) // Only compared.
    if (source === undefined || !san.objects.volume(source.id)) leftover(`throttle group ${group}`, source)
  }
  return found
}

/** A structure is its volume's or snapshot's owner's; one whose source is gone is everybody's to see. */
function structure(
  san: San,
  of: { readonly name: string; readonly source: Source | undefined; readonly caller: Caller },
): InventoryItem {
  const { name, source, caller } = of
  const row = source && (source.kind === 'volume' ? san.objects.volume(source.id) : san.objects.snapshot(source.id))
  const base = { kind: 'structure', name, bytes: 0 } as const
  if (!source || (row && row.owner !== caller.owner)) return { ...base, owner: 'foreign' }
  return { ...base, owner: 'ours', id: name }
}
