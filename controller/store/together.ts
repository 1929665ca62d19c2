import type { Compilable, KyselyPlugin, RawBuilder } from 'kysely'
import type { Reader } from './store.ts'

/**
 * Sends several selects in one round trip and answers the rows of each. They are done in the order in which they are given, so that
 * what follows a lock sees what its holder left. In a transaction only: outside of one each might go elsewhere. Not for writes.
 * Throws what the first of them that failed failed with.
 */
export async function together<Rows extends readonly object[]>(
  tx: Reader,
  ...queries: { readonly [At in keyof Rows]: Compilable<Rows[At]> }
): Promise<{ readonly [At in keyof Rows]: readonly Rows[At][] }> {
  // Kysely sends a statement of a transaction when the one before has been answered; its connection need not wait for that.
  const executor = tx.getExecutor()
  const compiled = queries.map((query) => query.compile())
  const ends = await executor.provideConnection((connection) =>
    Promise.allSettled(compiled.map((query) => connection.executeQuery(query))),
  )
  const answers = ends.map((end) => {
    // The first in their order, whichever is heard of first: those after it fail only because it did.
    if (end.status === 'rejected') throw end.reason
    return end.value
  })
  const rows = answers.map(async (answer, nth) => {
    const queryId = compiled[nth]?.queryId
    // Of the rows of any query: what they are is the caller's matter.
    let result = answer as Awaited<ReturnType<KyselyPlugin['transformResult']>>
    if (queryId) for (const plugin of executor.plugins) result = await plugin.transformResult({ queryId, result })
    return result.rows
  })
  // Each is of the query at the same place.
  return (await Promise.all(rows)) as unknown as { readonly [At in keyof Rows]: readonly Rows[At][] }
}

/** A select of `sql` as `together` takes it. */
export function raw<Row>(tx: Reader, query: RawBuilder<Row>): Compilable<Row> {
  return { compile: () => query.compile(tx) }
}
