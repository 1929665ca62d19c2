import type { Insertable } from 'kysely'
import type { ResourceDetailTable } from './generated/schema.ts'
import type { Tx } from './store.ts'

/** Puts details on a resource; one that is there by its key gets the value. */
export async function writeDetails(tx: Tx, details: readonly Insertable<ResourceDetailTable>[]): Promise<void> {
  if (details.length === 0) return
  await tx
    .insertInto('resourceDetail')
    .values(details)
    .onConflict((conflict) =>
      conflict
        .columns(['resourceType', 'resourceId', 'key'])
        .doUpdateSet(({ ref }) => ({ value: ref('excluded.value'), display: ref('excluded.display') })),
    )
    .execute()
}

/** Takes details off a resource, all of them where no key is given. What is not there is as good as taken off. */
export async function removeDetails(
  tx: Tx,
  of: { readonly resourceType: string; readonly resourceId: string; readonly key?: string },
): Promise<void> {
  const all = tx
    .deleteFrom('resourceDetail')
    .where('resourceType', '=', of.resourceType)
    .where('resourceId', '=', of.resourceId)
  await (of.key === undefined ? all : all.where('key', '=', of.key)).execute()
}
