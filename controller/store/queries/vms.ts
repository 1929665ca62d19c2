import { type ExpressionBuilder, sql } from 'kysely'
import { derivedId } from '../../domain/derived-id.ts'
import { cardAddress } from '../../domain/stand-in.ts'
import { ROOT_DEVICE } from '../../domain/volume.ts'
import type { Database } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import {
  containing,
  cutPage,
  inOrder,
  type Listed,
  NO_LIMIT,
  type Ownership,
  ownedBy,
  type TagFilter,
  taggedWith,
  type Window,
} from './page.ts'
import { type Pending, pendingOf, tagsOf, type TagView } from './pending.ts'

/** What `listVirtualMachines` may ask for; absent fields do not filter. */
export interface VmFilter {
  readonly ownership: Ownership
  readonly ids?: readonly string[]
  /** A part of the name or of the display name: CloudStack matches `name` of machines by substring. */
  readonly name?: string
  readonly keyword?: string
  readonly state?: string
  readonly zone?: string
  readonly host?: string
  readonly hypervisor?: string
  readonly template?: string
  readonly serviceOffering?: string
  readonly tags?: readonly TagFilter[]
}

/** A network that a VM was to be in, as if it had a card there. */
export interface CardView {
  readonly id: string
  readonly networkId: string
  readonly networkName: string
  readonly address: string
}

/** A VM with the names of what it points to. */
export type VmView = Awaited<ReturnType<typeof selectVms>>[number] & {
  readonly cards: readonly CardView[]
  readonly tags: readonly TagView[]
  readonly pending?: Pending
}

/** A page of VMs that are not expunged, in the order in which they were made. */
export async function listVms(reader: Reader, filter: VmFilter, window: Window): Promise<Listed<VmView>> {
  const wanted = reader
    .selectFrom('vm')
    .where('vm.removedAt', 'is', null)
    .where((eb) => eb.and(conditions(eb, filter)))
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('vm.id')
        .orderBy('vm.seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await vmViews(reader, ids) }
}

/** What is kept for the guest of a VM, as it was given; `undefined` when that is nothing. */
export async function userDataOf(reader: Reader, id: string): Promise<string | undefined> {
  const row = await reader.selectFrom('vm').select('userData').where('id', '=', id).executeTakeFirst()
  return row?.userData ?? undefined
}

/** The VMs of these ids in their order, expunged ones too. */
export async function vmViews(reader: Reader, ids: readonly string[]): Promise<readonly VmView[]> {
  if (ids.length === 0) return []
  const [rows, tags, pending] = await Promise.all([
    selectVms(reader, ids),
    tagsOf(reader, 'UserVm', ids),
    pendingOf(reader, ids),
  ])
  const networks = await networkNames(
    reader,
    rows.flatMap(({ networkIds }) => networkIds),
  )
  return inOrder(ids, rows).map((row) => {
    const open = pending.get(row.id)
    return {
      ...row,
      cards: cardsOf(row, networks),
      tags: tags.get(row.id) ?? [],
      ...(open === undefined ? {} : { pending: open }),
    }
  })
}

async function networkNames(reader: Reader, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await reader.selectFrom('standIn').select(['id', 'name']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/** Networks that were forgotten since are left out. */
function cardsOf(
  vm: { readonly id: string; readonly seq: number; readonly networkIds: readonly string[] },
  networks: ReadonlyMap<string, string>,
): readonly CardView[] {
  return vm.networkIds.flatMap((networkId, card) => {
    const networkName = networks.get(networkId)
    if (networkName === undefined) return []
    return [{ id: derivedId('card', vm.id, networkId), networkId, networkName, address: cardAddress(vm.seq, card) }]
  })
}

function conditions(eb: ExpressionBuilder<Database, 'vm'>, filter: VmFilter) {
  const found = [ownedBy(eb, 'vm', filter.ownership)]
  if (filter.ids !== undefined) found.push(eb('vm.id', 'in', filter.ids.length > 0 ? filter.ids : [null]))
  for (const part of [filter.name, filter.keyword])
    if (part !== undefined)
      found.push(eb.or([eb('vm.name', 'ilike', containing(part)), eb('vm.displayName', 'ilike', containing(part))]))
  if (filter.state !== undefined) found.push(eb(sql`lower(vm.state)`, '=', filter.state.toLowerCase()))
  if (filter.zone !== undefined) found.push(eb('vm.zoneId', '=', filter.zone))
  if (filter.host !== undefined) found.push(eb('vm.hostId', '=', filter.host))
  if (filter.hypervisor !== undefined) found.push(eb(sql`lower(vm.hypervisor)`, '=', filter.hypervisor.toLowerCase()))
  if (filter.template !== undefined) found.push(eb('vm.templateId', '=', filter.template))
  if (filter.serviceOffering !== undefined) found.push(eb('vm.offeringId', '=', filter.serviceOffering))
  if (filter.tags !== undefined) found.push(taggedWith(eb, 'vm', { kind: 'UserVm', tags: filter.tags }))
  return found
}

function selectVms(reader: Reader, ids: readonly string[]) {
  return reader
    .selectFrom('vm')
    .innerJoin('zone', 'zone.id', 'vm.zoneId')
    .innerJoin('account', 'account.id', 'vm.accountId')
    .innerJoin('domain', 'domain.id', 'account.domainId')
    .innerJoin('offering', 'offering.id', 'vm.offeringId')
    .leftJoin('template', 'template.id', 'vm.templateId')
    .leftJoin('host', 'host.id', 'vm.hostId')
    .leftJoin('attachment as root', (join) =>
      join.onRef('root.vmId', '=', 'vm.id').on('root.deviceId', '=', ROOT_DEVICE),
    )
    .where('vm.id', 'in', ids)
    .select([
      'vm.id',
      'vm.name',
      'vm.displayName',
      'vm.state',
      'vm.hypervisor',
      'vm.cpus',
      'vm.memoryBytes',
      'vm.createdAt',
      'vm.ha',
      'vm.seq',
      'vm.networkIds',
    ])
    .select(['vm.zoneId', 'zone.name as zoneName', 'vm.hostId', 'host.name as hostName', 'host.state as hostState'])
    .select([
      'account.name as accountName',
      'domain.id as domainId',
      'domain.name as domainName',
      'domain.path as domainPath',
    ])
    .select(['offering.id as offeringId', 'offering.name as offeringName', 'offering.cpuMhz'])
    .select(['template.id as templateId', 'template.name as templateName', 'template.displayText as templateText'])
    .select(['template.format as templateFormat', 'template.osType', 'root.volumeId as rootId'])
    .execute()
}
