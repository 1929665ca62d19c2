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
 * Has a write of a transaction go out with the next statement that is waited for, at the latest with the commit, which
 * saves a round trip: statements of a connection are done in order, so that whatever follows sees it. Its failure, a broken constraint say, is
 * thrown by that statement; by the commit, which then has not taken place, where there was no other. So not for
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

/** What `pipelined` needs of a connection. */
export interface Connection {
  readonly send: Send
  /** Has what `work` sends, which it does at once, go out together: one message to the server, which wakes up once. */
  readonly gather: (work: () => void) => void
  /** A transaction could not begin: the connection must not be used again. */
  readonly broken: () => void
}

/**
 * Runs the statements of one connection with fewer round trips: `later` writes go out with the next statement that is
 * waited for, and the beginning of a transaction with its first statement where that only reads (should the beginning be
 * refused, nothing is written outside of the transaction).
 */
export function pipelined(connection: Connection): Send {
  return new Line(connection).query
}

class Line {
  readonly #connection: Connection
  /** The statement that begins the transaction, until it is sent. */
  #beginning: string | undefined
  #inside = false
  /** `later` writes that are not sent yet. */
  #held: (readonly [text: string, values: readonly unknown[]])[] = []
  /** Why a `later` write of the transaction failed: what is sent after it fails for that reason only. */
  #failure: { readonly error: unknown } | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  readonly query: Send = async (text, values) => {
    if (text === 'begin' || text.startsWith('start transaction')) {
      this.#beginning = text
      this.#inside = true
      return NOTHING
    }
    if (text === 'commit' || text === 'rollback') return await this.#end(text)
    // Alone it is a transaction of its own, of which nothing remains when it could not be serialized.
    if (!this.#inside) return await serialized(() => this.#connection.send(text, values))
    if (!/^\s*select\b/i.test(text)) await this.#begin()
    if (text.endsWith(MARK)) {
      this.#held.push([text, values])
      return NOTHING
    }
    try {
      return await this.#sendAll(text, values)
    } catch (error) {
      throw this.#failure ? this.#failure.error : error
    }
  }

  /** Sends the beginning where it is due, what was held, and the statement. */
  async #sendAll(text: string, values: readonly unknown[]): Promise<Answer> {
    const sent: { begun?: Promise<void>; answer?: Promise<Answer> } = {}
    this.#connection.gather(() => {
      sent.begun = this.#begin()
      for (const write of this.#held.splice(0)) {
        this.#connection.send(...write).catch((error: unknown) => {
          this.#failure ??= { error }
        })
      }
      sent.answer = this.#connection.send(text, values)
      // Where the beginning is refused nobody looks at it.
      sent.answer.catch(() => {})
    })
    await sent.begun
    return (await sent.answer) ?? NOTHING
  }

  async #begin(): Promise<void> {
    const text = this.#beginning
    if (text === undefined) return
    this.#beginning = undefined
    try {
      await this.#connection.send(text, [])
    } catch (error) {
      this.#connection.broken()
      throw error
    }
  }

  async #end(text: 'commit' | 'rollback'): Promise<Answer> {
    const begun = this.#beginning === undefined
    this.#beginning = undefined
    if (text === 'rollback') this.#held = []
    const answer = begun ? await this.#sendAll(text, []) : { ...NOTHING, command: text.toUpperCase() }
    const failure = this.#failure
    this.#failure = undefined
    this.#inside = false
    if (text === 'commit' && failure) throw failure.error
    return answer
  }
}
