import { type Expression, sql } from 'kysely'
import { serialized } from './transact.ts'

/** At the end of a statement whose answer nobody waits for. */
const MARK = '/* later */'

/**
 * A write that `later` takes: a builder of Kysely's without `returning`. A statement of `sql` says `LATER` at its end
 * instead.
 */
interface Write {
  modifyEnd(modifier: Expression<unknown>): { execute(): Promise<unknown> }
}

/** At the end of a statement of `sql`, inside a transaction: sent as `later` sends. */
export const LATER = sql.raw(MARK)

/**
 * Sends a write of a transaction without waiting for its answer, which saves a round trip: statements of a connection are
 * done in the order in which they were sent, so that whatever follows sees it. Its failure, a broken constraint say, is
 * thrown by the next statement that is waited for, at the latest by the commit, which then has not taken place. So not for
 * writes whose failure is to be caught, nor for those of which one must know how many rows they changed.
 */
export async function later(write: Write): Promise<void> {
  await write.modifyEnd(LATER).execute()
}

/** What Kysely reads of an answer of `pg`. */
interface Answer {
  readonly command: string
  readonly rowCount: number | null
  readonly rows: readonly unknown[]
}

/** Sends one statement; those sent before have been done by then. */
type Send = (text: string, values: readonly unknown[]) => Promise<Answer>

const NOTHING: Answer = { command: '', rowCount: 0, rows: [] }

/**
 * Runs the statements of one connection with fewer round trips: `later` writes are not waited for, and the beginning of a
 * transaction goes out together with its first statement where that only reads (should the beginning be refused, nothing
 * is written outside of the transaction). `broken` is called when a transaction could not begin: the connection must not
 * be used again.
 */
export function pipelined(send: Send, broken: () => void): Send {
  return new Line(send, broken).query
}

class Line {
  readonly #send: Send
  readonly #broken: () => void
  /** The statement that begins the transaction, until it is sent. */
  #beginning: string | undefined
  #inside = false
  /** Why a `later` write of the transaction failed: what is sent after it fails for that reason only. */
  #failure: { readonly error: unknown } | undefined

  constructor(send: Send, broken: () => void) {
    this.#send = send
    this.#broken = broken
  }

  readonly query: Send = async (text, values) => {
    if (text === 'begin' || text.startsWith('start transaction')) {
      this.#beginning = text
      this.#inside = true
      return NOTHING
    }
    if (text === 'commit' || text === 'rollback') return await this.#end(text)
    // Alone it is a transaction of its own, of which nothing remains when it could not be serialized.
    if (!this.#inside) return await serialized(() => this.#send(text, values))
    const begun = this.#begin()
    if (!/^\s*select\b/i.test(text)) await begun
    const answer = this.#send(text, values)
    answer.catch(() => {})
    await begun
    if (text.endsWith(MARK)) {
      answer.catch((error: unknown) => {
        this.#failure ??= { error }
      })
      return NOTHING
    }
    try {
      return await answer
    } catch (error) {
      throw this.#failure ? this.#failure.error : error
    }
  }

  async #begin(): Promise<void> {
    const text = this.#beginning
    if (text === undefined) return
    this.#beginning = undefined
    try {
      await this.#send(text, [])
    } catch (error) {
      this.#broken()
      throw error
    }
  }

  async #end(text: 'commit' | 'rollback'): Promise<Answer> {
    const sent = this.#beginning === undefined
    this.#beginning = undefined
    const answer = sent ? await this.#send(text, []) : { ...NOTHING, command: text.toUpperCase() }
    const failure = this.#failure
    this.#failure = undefined
    this.#inside = false
    if (text === 'commit' && failure) throw failure.error
    return answer
  }
}
