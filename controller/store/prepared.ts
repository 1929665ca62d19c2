import type { Writable } from 'node:stream'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import { pipelined } from './pipeline.ts'

/** How often a text is sent before it is prepared: what is built for one request is not worth keeping. */
const WORTH_IT = 5
/** Each costs some ten kilobytes in the server for every connection. */
const MOST_PREPARED = 200
const MOST_COUNTED = 2_000

/**
 * What is answered for these changes with the table, which PostgreSQL refuses of a prepared statement: a newer controller
 * that adds a column must not stop an older one.
 */
const OPEN_ENDED = /(\bselect|\breturning|\.)\s*\*/

/**
 * A pool whose statements with parameters are prepared once per connection when they come often: parsing and planning is
 * about half of the server's work for the small statements of operations. PostgreSQL plans them anew whenever their tables
 * or statistics change. Statements go out as `pipelined` says. For Kysely only, without cursors.
 */
export function preparing(pool: Pool): PostgresPool {
  const nameOf = naming()
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect()
      let broken = false
      const query = pipelined({
        send: async (text, values) => {
          const name = values.length === 0 ? undefined : nameOf(text)
          return await client.query(
            name === undefined ? { text, values: [...values] } : { name, text, values: [...values] },
          )
        },
        gather: gathering(client),
        broken: () => {
          broken = true
        },
      })
      return {
        // Kysely calls the other overload only for cursors, which are not configured; its results are those of `pg`.
        query: query as unknown as PostgresPoolClient['query'],
        release: (destroy) => client.release(broken || destroy),
      }
    },
  }
}

/** Each statement is a write to the socket of its own otherwise, and wakes the server up; those sent in one turn go out as one. */
function gathering(client: PoolClient): (work: () => void) => void {
  // Not in its types; where another release of `pg` hides it, statements go out one by one.
  const { stream } = (client as { connection?: { stream?: Partial<Writable> } }).connection ?? {}
  return (work) => {
    stream?.cork?.()
    try {
      work()
    } finally {
      process.nextTick(() => stream?.uncork?.())
    }
  }
}

/** Names of the texts worth preparing; the same text has the same name on every connection. */
function naming(): (text: string) => string | undefined {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  return (text) => {
    const known = names.get(text)
    if (known !== undefined || names.size === MOST_PREPARED) return known
    const count = (counts.get(text) ?? 0) + 1
    if (count < WORTH_IT || OPEN_ENDED.test(text)) {
      if (counts.size < MOST_COUNTED || counts.has(text)) counts.set(text, count)
      return undefined
    }
    counts.delete(text)
    names.set(text, `moorage_${names.size}`)
    return names.get(text)
  }
}
