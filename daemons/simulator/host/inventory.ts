import type { HypervisorInventoryItem, Page } from '@moorage/contract'
import { invalid } from '../check.ts'
import type { DiskRow } from './disks.ts'
import type { HostRequest } from './host.ts'
import { stateOf, type VmRow } from './vms.ts'

const PAGE_ITEMS = 500

/**
 * Method `inventory/list`: machines, then disks, of every owner, by key. A simulated host makes nothing for a disk but
 * the disk, so that there are no structures.
 */
export function listHostInventory(request: HostRequest): Page<HypervisorInventoryItem> {
  const cursor = request.args['cursor'] ?? 'vm:'
  const [section, after] = typeof cursor === 'string' ? cursor.split(':', 2) : []
  if (after === undefined || (section !== 'vm' && section !== 'disk')) throw invalid('cursor is none of ours')
  const items: HypervisorInventoryItem[] = []
  if (section === 'vm') {
    const vms = vmItems(request, after)
    items.push(...vms.items)
    if (items.length === PAGE_ITEMS) return { items, next: `vm:${vms.last}` }
  }
  const limit = PAGE_ITEMS - items.length
  const disks = diskItems(request, section === 'disk' ? after : '', limit)
  items.push(...disks.items)
  return disks.items.length === limit ? { items, next: `disk:${disks.last}` } : { items }
}

interface Listed {
  readonly items: readonly HypervisorInventoryItem[]
  readonly last: string
}

function vmItems({ store, host, owner }: HostRequest, after: string): Listed {
  const sql = 'SELECT * FROM vms WHERE host = ? AND id > ? ORDER BY id LIMIT ?'
  const rows = store.all<VmRow>(sql, host.name, after, PAGE_ITEMS)
  const items = rows.map((row): HypervisorInventoryItem => {
    const { name, id } = row
    if (row.owner !== owner) return { kind: 'vm', owner: 'foreign', name }
    return { kind: 'vm', owner: 'ours', name, id, state: stateOf(store, row) }
  })
  return { items, last: rows.at(-1)?.id ?? after }
}

function diskItems({ store, host, owner }: HostRequest, after: string, limit: number): Listed {
  const [vmAfter = '', volumeAfter = ''] = after.split('/', 2)
  const rows = store.all<DiskRow & { owner: string }>(
    `SELECT d.*, v.owner FROM disks d JOIN vms v ON v.host = d.host AND v.id = d.vm
      WHERE d.host = ? AND (d.vm, d.volume) > (?, ?) ORDER BY d.vm, d.volume LIMIT ?`,
    host.name,
    vmAfter,
    volumeAfter,
    limit,
  )
  const items = rows.map((row): HypervisorInventoryItem => {
    const { vm, volume, generation } = row
    const name = `${vm}/${volume}`
    if (row.owner !== owner) return { kind: 'disk', owner: 'foreign', name }
    return { kind: 'disk', owner: 'ours', name, vm, volume, generation }
  })
  return { items, last: items.at(-1)?.name ?? after }
}
