import { recorded } from '../sagas/recorded.ts'
import { type EntityKind, findEntities } from '../store/queries/entities.ts'
import { removeDetails, writeDetails } from '../store/resource-details.ts'
import type { Tx } from '../store/store.ts'
import type { Caller, System } from './context.ts'
import { sightOf } from './ownership.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Types of resources that carry details, under CloudStack's names. */
const DETAILED = {
  Volume: 'volume',
  Snapshot: 'snapshot',
  UserVm: 'vm',
  Template: 'template',
  DiskOffering: 'diskoffering',
  ServiceOffering: 'serviceoffering',
  Storage: 'pool',
  Zone: 'zone',
  Pod: 'pod',
  Cluster: 'cluster',
  Host: 'host',
  Account: 'account',
  User: 'user',
} as const satisfies Readonly<Record<string, EntityKind>>
/** A key of the table above. */
export type Detailed = keyof typeof DETAILED

/** Their names, for a sentence. */
export const DETAILED_TYPES: string = Object.keys(DETAILED).join(', ')

/** The type that a client names, in whatever case. Throws `Refusal` `INVALID` for types that carry no details here. */
export function detailed(name: string): Detailed {
  // The keys of exactly that object.
  const found = (Object.keys(DETAILED) as readonly Detailed[]).find((type) => type.toLowerCase() === name.toLowerCase())
  if (found === undefined)
    throw refuse('INVALID', `Invalid parameter resourcetype: it must be one of ${DETAILED_TYPES}`)
  return found
}

/** Which resource: by uuid or internal number. */
export interface DetailedResource {
  readonly type: Detailed
  readonly id: string
}

/** The id of a resource that the caller may see. Throws `Refusal` `NOT_FOUND` for another. */
export async function detailedId(
  { system, caller }: { readonly system: System; readonly caller: Caller },
  { type, id }: DetailedResource,
): Promise<string> {
  const asked = { kind: DETAILED[type], values: [id], sight: sightOf(caller) }
  const [found] = await findEntities(system.store.reader, asked)
  if (found === undefined) throw refuse('NOT_FOUND', `Invalid parameter resourceid: there is no such ${type}`)
  return found
}

/** Puts details on a resource and answers the operation. Callers are operators. */
export async function addDetails(
  by: By,
  on: DetailedResource,
  { details, display }: { readonly details: Readonly<Record<string, string>>; readonly display: boolean },
): Promise<string> {
  const resourceId = await detailedId(by, on)
  return await carriedOut(by, async (tx) => {
    const rows = Object.entries(details).map(([key, value]) => ({
      resourceType: on.type,
      resourceId,
      key,
      value,
      display,
    }))
    await writeDetails(tx, rows)
    return await done(tx, by, { command: 'addResourceDetail', type: on.type, id: resourceId })
  })
}

/** Takes one detail off a resource, or all without `key`, and answers the operation. Callers are operators. */
export async function takeDetails(by: By, on: DetailedResource, key?: string): Promise<string> {
  const resourceId = await detailedId(by, on)
  return await carriedOut(by, async (tx) => {
    await removeDetails(tx, { resourceType: on.type, resourceId, ...(key === undefined ? {} : { key }) })
    return await done(tx, by, { command: 'removeResourceDetail', type: on.type, id: resourceId })
  })
}

async function done(
  tx: Tx,
  by: By,
  { command, type, id }: { readonly command: string; readonly type: Detailed; readonly id: string },
): Promise<string> {
  const added = command === 'addResourceDetail'
  return await submit(tx, by, {
    command,
    head: recorded,
    input: { kind: DETAILED[type], id },
    event: {
      type: added ? 'RESOURCE.DETAIL.ADD' : 'RESOURCE.DETAIL.REMOVE',
      description: `Details of a resource of type ${type} were changed`,
      resource: { kind: type, id },
    },
  })
}
