import { recorded } from '../sagas/recorded.ts'
import { type EntityKind, findEntities } from '../store/queries/entities.ts'
import type { TagFilter } from '../store/queries/page.ts'
import { ownersOf } from '../store/queries/tags.ts'
import type { Tx } from '../store/store.ts'
import { removeTags, writeTags } from '../store/tags.ts'
import { sightOf } from './ownership.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Types of resources that carry tags, under CloudStack's names, with the table of those that accounts own. */
const TAGGABLE = {
  Volume: { kind: 'volume', owned: 'volume' },
  Snapshot: { kind: 'snapshot', owned: 'snapshot' },
  UserVm: { kind: 'vm', owned: 'vm' },
  Template: { kind: 'template', owned: 'template' },
  Zone: { kind: 'zone', owned: undefined },
} as const satisfies Readonly<
  Record<string, { readonly kind: EntityKind; readonly owned: 'volume' | 'snapshot' | 'vm' | 'template' | undefined }>
>
/** A key of the table above. */
export type Taggable = keyof typeof TAGGABLE

/** Which resources: by uuid or internal number. */
export interface TaggedResources {
  readonly type: Taggable
  readonly ids: readonly string[]
}

/**
 * The type that a client names, in whatever case; `VirtualMachine` is accepted for `UserVm`. `undefined` for types that
 * carry no tags here.
 */
export function taggable(name: string): Taggable | undefined {
  const asked = name.toLowerCase() === 'virtualmachine' ? 'uservm' : name.toLowerCase()
  // The keys of exactly that object.
  return (Object.keys(TAGGABLE) as readonly Taggable[]).find((type) => type.toLowerCase() === asked)
}

/** Puts tags on resources that the caller may change, and answers the operation. Throws `Refusal` naming what is not there. */
export async function createTags(
  by: By,
  resources: TaggedResources,
  tags: Readonly<Record<string, string>>,
): Promise<string> {
  const owners = await resolve(by, resources)
  return await carriedOut(by, async (tx) => {
    const rows = [...owners].flatMap(([resourceId, accountId]) =>
      Object.entries(tags).map(([key, value]) => ({ resourceType: resources.type, resourceId, accountId, key, value })),
    )
    await writeTags(tx, rows)
    return await done(tx, by, { command: 'createTags', type: resources.type, owners })
  })
}

/** Takes tags off resources that the caller may change, all of them without `tags`, and answers the operation. */
export async function deleteTags(by: By, resources: TaggedResources, tags?: readonly TagFilter[]): Promise<string> {
  const owners = await resolve(by, resources)
  return await carriedOut(by, async (tx) => {
    await removeTags(tx, { resourceType: resources.type, resourceIds: [...owners.keys()] }, tags)
    return await done(tx, by, { command: 'deleteTags', type: resources.type, owners })
  })
}

/** Owners of the resources, by id; of what accounts do not own, the caller's account. */
async function resolve(by: By, resources: TaggedResources): Promise<ReadonlyMap<string, string>> {
  const { kind, owned } = TAGGABLE[resources.type]
  const { caller, system } = by
  const { reader } = system.store
  const found = await findEntities(reader, { kind, values: resources.ids, sight: sightOf(caller) })
  const ids = found.map((id, at) => {
    if (id !== undefined) return id
    throw refuse('NOT_FOUND', `Invalid parameter resourceids: there is no ${resources.type} ${resources.ids[at] ?? ''}`)
  })
  const owners = owned === undefined ? undefined : await ownersOf(reader, owned, ids)
  const own = new Map(ids.map((id) => [id, owners?.get(id) ?? caller.accountId]))
  // What is public may be seen by all, and what nobody owns belongs to the installation.
  const foreign =
    owned === undefined || (resources.type === 'Template' && [...own.values()].some((id) => id !== caller.accountId))
  if (foreign && caller.role !== 'admin') {
    throw refuse('DENIED', 'Caller does not have permission to tag what parameter resourceids names')
  }
  return own
}

async function done(
  tx: Tx,
  by: By,
  what: { readonly command: string; readonly type: Taggable; readonly owners: ReadonlyMap<string, string> },
): Promise<string> {
  const [[id, account] = ['', '']] = [...what.owners]
  return await submit(tx, by, {
    command: what.command,
    head: recorded,
    input: { kind: TAGGABLE[what.type].kind, id },
    event: {
      type: what.command === 'createTags' ? 'CREATE_TAGS' : 'DELETE_TAGS',
      description: `Tags of ${what.owners.size} resources of type ${what.type} were changed`,
      account,
      resource: { kind: what.type, id },
    },
  })
}
