import type { Tx } from './store.ts'

/** A tag to put on a resource. */
export interface NewTag {
  readonly resourceType: string
  readonly resourceId: string
  readonly accountId: string
  readonly key: string
  readonly value: string
}

/** Puts tags on resources; one that is there by its key gets the value. */
export async function writeTags(tx: Tx, tags: readonly NewTag[]): Promise<void> {
  if (tags.length === 0) return
  await tx
    .insertInto('tag')
    .values(tags)
    .onConflict((oc) =>
      oc.columns(['resourceType', 'resourceId', 'key']).doUpdateSet((eb) => ({ value: eb.ref('excluded.value') })),
    )
    .execute()
}

/** Takes tags off resources; absent `keys`: all of them. What is not there is as good as taken off. */
export async function removeTags(
  tx: Tx,
  of: { readonly resourceType: string; readonly resourceIds: readonly string[] },
  keys: readonly { readonly key: string; readonly value?: string }[] | undefined,
): Promise<void> {
  const all = tx.deleteFrom('tag').where('resourceType', '=', of.resourceType).where('resourceId', 'in', of.resourceIds)
  if (keys === undefined) await all.execute()
  for (const { key, value } of keys ?? []) {
    const one = all.where('key', '=', key)
    await (value === undefined ? one : one.where('value', '=', value)).execute()
  }
}
