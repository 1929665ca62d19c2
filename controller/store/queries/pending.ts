import type { Claim, OperationState } from '../../jobs/journal.ts'
import type { Reader } from '../store.ts'

/** An operation about an entity that has not ended: the oldest one, which runs before the others. */
export interface Pending {
  readonly operation: string
  readonly command: string
}

/** The open operation about each of `ids`, in one query. Entities without one are absent. */
export async function pendingOf(reader: Reader, ids: readonly string[]): Promise<ReadonlyMap<string, Pending>> {
  if (ids.length === 0) return new Map()
  const rows = await reader
    .selectFrom('operation')
    .select(['id', 'command', 'subjectId'])
    .where('state', 'in', ['queued', 'running', 'undoing'])
    .where('subjectId', 'in', ids)
    .orderBy('seq', 'desc')
    .execute()
  return new Map(
    rows.flatMap(({ id, command, subjectId }) => (subjectId === null ? [] : [[subjectId, { operation: id, command }]])),
  )
}

/** A tag as it is listed. */
export interface TagView {
  readonly key: string
  readonly value: string
}

/** The tags of each of `ids`, by key, in one query. Entities without tags are absent. */
export async function tagsOf(
  reader: Reader,
  kind: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly TagView[]>> {
  if (ids.length === 0) return new Map()
  const rows = await reader
    .selectFrom('tag')
    .select(['resourceId', 'key', 'value'])
    .where('resourceType', '=', kind)
    .where('resourceId', 'in', ids)
    .orderBy('key')
    .execute()
  const tags = new Map<string, TagView[]>()
  for (const { resourceId, key, value } of rows) {
    const list = tags.get(resourceId)
    if (list === undefined) tags.set(resourceId, [{ key, value }])
    else list.push({ key, value })
  }
  return tags
}

type Failure = NonNullable<Claim['failure']>

/** How an operation stands. `failure` is there when it failed or was aborted. */
export interface Outcome {
  readonly state: OperationState
  readonly failure?: Failure
}

/** How an operation stands; `undefined` when there is none of this id. */
export async function outcomeOf(reader: Reader, operation: string): Promise<Outcome | undefined> {
  const row = await reader
    .selectFrom('operation')
    .select((eb) => ['state', eb.ref('failure').$castTo<Failure | null>().as('failure')])
    .where('id', '=', operation)
    .executeTakeFirst()
  if (row === undefined) return undefined
  return row.failure === null ? { state: row.state } : { state: row.state, failure: row.failure }
}
