import type { Call } from '@moorage/contract'
import { type Fields, isFields, text, whole } from './check.ts'

const KEPT = 20_000

/** A call as it was served. Arguments are not kept: they may hold secrets. */
export interface CallRecord {
  readonly seq: number
  readonly method: string
  readonly key: string
  readonly fence: number
  /** Id of the volume, snapshot, machine or job that the call was about, where it named one. */
  readonly object?: string
  /** Epoch milliseconds of its arrival. */
  readonly at: number
  /** `ok`, a code of the failure registry, or `open` while it runs. */
  readonly outcome: string
}

/** The latest calls, and how many there were of each method since the start. They do not outlive the process. */
export class Calls {
  readonly #counts = new Map<string, number>()
  #records: (CallRecord & { outcome: string })[] = []
  #seq = 0

  /** Notes a call that has arrived; the answer ends it with its outcome. */
  begin(method: string, args: Fields, call: Call): (outcome: string) => void {
    this.#counts.set(method, (this.#counts.get(method) ?? 0) + 1)
    const object = objectOf(args)
    const { key, fence } = call
    const record = { seq: ++this.#seq, method, key, fence, ...(object && { object }), at: Date.now(), outcome: 'open' }
    this.#records.push(record)
    if (this.#records.length >= 2 * KEPT) this.#records = this.#records.slice(-KEPT)
    return (outcome) => {
      record.outcome = outcome
    }
  }

  /** Method `calls/list`: the latest calls in order of arrival, of one method or object if asked, and all counts. */
  list(args: Fields): { readonly items: readonly CallRecord[]; readonly counts: Readonly<Record<string, number>> } {
    const method = args['method'] === undefined ? undefined : text(args['method'], 'method')
    const object = args['object'] === undefined ? undefined : text(args['object'], 'object')
    const limit = args['limit'] === undefined ? 1000 : whole(args['limit'], 'limit', 1)
    const items = this.#records.filter(
      (record) =>
        (method === undefined || record.method === method) && (object === undefined || record.object === object),
    )
    return { items: items.slice(-limit), counts: Object.fromEntries(this.#counts) }
  }

  /** Method `calls/clear`: forgets calls and counts. */
  clear(): void {
    this.#records = []
    this.#counts.clear()
  }
}

function objectOf(args: Fields): string | undefined {
  const parts = [args, ...['spec', 'exposure', 'access', 'range', 'task'].map((name) => args[name]).filter(isFields)]
  const sources = parts.map((part) => part['source']).filter(isFields)
  const named = [...parts, ...sources].flatMap((part) => [part['id'], part['vm'], part['volume'], part['group']])
  return named.find((id) => typeof id === 'string')
}
