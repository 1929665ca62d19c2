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
    ...(await served(san, caller)),
  ])
  const key = (item: InventoryItem) => `${item.kind} ${item.name}`
  const rest = items.filter((item) => cursor === undefined || key(item) > cursor)
  const page = rest.sort((one, other) => (key(one) < key(other) ? -1 : 1)).slice(0, PAGE_ITEMS)
  const last = page.at(-1)
  return { items: page, ...(last && page.length < rest.length ? { next: key(last) } : {}) }
}

/** Whoever lists; `holding`: the lock of an object that is its own, so that nobody else is at work on that. */
export interface Lister extends Caller {
  readonly holding?: string
}

/** What tgtd, qemu-storage-daemon and the kernel hold. Inside the engine's gate only. */
export async function served(san: San, caller: Lister): Promise<readonly InventoryItem[]> {
  return [...(await targets(san, caller)), ...(await structures(san, caller))]
}

function isBusy(san: San, source: Source, { holding }: Lister): boolean {
  const lock = fenceOf(source)
  return lock !== holding && san.locks.isHeld(lock)
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

/**
 * Who can log in where: exposures. A target that admits nobody serves nobody; nor does one of a source to which nobody was
 * given access, whomever it admits; and an initiator that is admitted or logged in without having been given access is left
 * over in one that does serve.
 */
async function targets(san: San, caller: Lister): Promise<readonly InventoryItem[]> {
  const found: InventoryItem[] = []
  for (const { iqn, acl, sessions } of await san.engine.tgtd.client.targets()) {
    const name = outletOfIqn(iqn)
    const outlet = name === undefined ? undefined : parseOutletName(name)
    if (!outlet) {
      found.push({ kind: 'structure', owner: 'foreign', name: iqn, bytes: 0 })
      continue
    }
    if (isBusy(san, outlet.source, caller)) continue
    const rows = san.access.exposures(outlet.source).filter(({ mode }) => mode === outlet.mode)
    const { source, mode } = outlet
    if (rows.length === 0) found.push(structure(san, { name: iqn, source, caller, stale: true }))
    else if (acl.length === 0) found.push(structure(san, { name: iqn, source, caller }))
    if (rows.length === 0) continue
    const given = new Set(rows.map(({ initiator }) => initiator))
    const logged = new Set(sessions.map(({ initiator }) => initiator))
    for (const initiator of acl.filter((each) => !given.has(each)))
      found.push(structure(san, { name: `acl ${iqn} ${initiator}`, source, caller, stale: true }))
    for (const initiator of [...logged].filter((each) => !given.has(each) && !acl.includes(each)))
      found.push(structure(san, { name: `session ${iqn} ${initiator}`, source, caller, stale: true }))
    for (const { initiator, owner, consumer, createdAt } of rows.filter((row) => acl.includes(row.initiator))) {
      const base = { kind: 'exposure', name: `${iqn} ${initiator}`, bytes: 0 } as const
      if (owner !== caller.owner) found.push({ ...base, owner: 'foreign' })
      else found.push({ ...base, owner: 'ours', source, consumer, createdAt, mode })
    }
  }
  return found
}

/** What serves nobody and should not be there. */
async function structures(san: San, caller: Lister): Promise<readonly InventoryItem[]> {
  const held = await san.engine.qsd.holdings()
  const served = new Set(san.access.allExposures().map(({ source, mode }) => outletName(source, mode)))
  const nodes = new Set(san.access.allExposures().map(({ source, mode }) => nodeOf(source, mode)))
  const found: InventoryItem[] = []
  const leftover = (name: string) => {
    const source = sourceOfStructure(san, name)
    if (!source || !isBusy(san, source, caller)) found.push(structure(san, { name, source, caller, stale: true }))
  }
  const mounted = (await mountsBelow(san.exports)).map((point) => basename(point))
  const outlets = [
    ...held.exports.map((name) => ({ name: `export ${name}`, outlet: name })),
    ...held.threads.map((name) => ({ name: `thread ${name}`, outlet: outletOfIoThread(name) ?? name })),
    ...mounted.filter((name) => !held.exports.includes(name)).map((name) => ({ name: `mount ${name}`, outlet: name })),
  ]
  for (const { name, outlet } of outlets) {
    const dead = name.startsWith('mount ')
    if (dead || !served.has(outlet)) leftover(name)
  }
  for (const node of held.nodes) if (isNodeName(node) && !nodes.has(node)) leftover(`node ${node}`)
  for (const group of held.throttleGroups) {
    const volume = volumeOfThrottleGroup(group)
    // Only compared.
    if (volume === undefined || !san.objects.volume(volume as VolumeId)) leftover(`throttle group ${group}`)
  }
  return found
}

/** Of what, by its name in the inventory, a structure was made; `undefined` for a name that we give to nothing. */
export function sourceOfStructure(san: San, name: string): Source | undefined {
  const [kind = '', first = '', second = ''] = name.split(' ')
  if (kind === 'node') return isNodeName(first) ? sourceOfNode(san, first) : undefined
  if (kind === 'throttle') {
    const id = volumeOfThrottleGroup(second)
    return id === undefined ? undefined : { kind: 'volume', id: id as VolumeId } // Only looked up.
  }
  const outlet = outletIn(kind, first)
  return outlet === undefined ? undefined : parseOutletName(outlet)?.source
}

/** The outlet of a structure that is named after one; a target is listed by its name alone. */
function outletIn(kind: string, named: string): string | undefined {
  if (kind === 'export' || kind === 'mount') return named
  if (kind === 'thread') return outletOfIoThread(named) ?? named
  return outletOfIqn(kind === 'acl' || kind === 'session' ? named : kind)
}

/** A node's name holds most of an id: of what is not remembered it stands for that. */
function sourceOfNode(san: San, node: string): Source {
  const [kind, known] = node.startsWith('s-')
    ? (['snapshot', san.objects.snapshots()] as const)
    : (['volume', san.objects.volumes()] as const)
  const digits = node.slice(2)
  const id = known.find((each) => each.id.replaceAll('-', '').startsWith(digits))?.id ?? digits
  return { kind, id } as Source // Only looked up.
}

/** A structure is its volume's or snapshot's owner's; one whose source is gone is everybody's to see. */
function structure(
  san: San,
  of: { readonly name: string; readonly source: Source | undefined; readonly caller: Caller; readonly stale?: true },
): InventoryItem {
  const { name, source, caller, stale } = of
  const row = source && (source.kind === 'volume' ? san.objects.volume(source.id) : san.objects.snapshot(source.id))
  const base = { kind: 'structure', name, bytes: 0 } as const
  if (!source || (row && row.owner !== caller.owner)) return { ...base, owner: 'foreign' }
  return { ...base, owner: 'ours', id: name, ...(stale ? { stale } : {}) }
}
