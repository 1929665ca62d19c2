import { createHash } from 'node:crypto'

/** An object as it is kept. */
export interface KeptObject {
  readonly body: Buffer
  readonly etag: string
  readonly at: Date
}

/** What a listing shows. */
export interface Listing {
  readonly items: readonly (readonly [string, KeptObject])[]
  readonly truncated: boolean
}

/** The objects of one bucket, in memory. */
export class Bucket {
  readonly #objects = new Map<string, KeptObject>()
  /** What was there before the last change: what a stale listing shows. */
  #before: ReadonlyMap<string, KeptObject> = new Map()

  get(key: string): KeptObject | undefined {
    return this.#objects.get(key)
  }

  put(key: string, body: Buffer): KeptObject {
    this.#before = new Map(this.#objects)
    const kept = { body, etag: `"${createHash('md5').update(body).digest('hex')}"`, at: new Date() }
    this.#objects.set(key, kept)
    return kept
  }

  delete(key: string): void {
    this.#before = new Map(this.#objects)
    this.#objects.delete(key)
  }

  /** A page in the byte order of UTF-8. */
  list(wanted: {
    readonly prefix: string
    readonly after: string
    readonly most: number
    readonly stale: boolean
  }): Listing {
    const { prefix, after, most, stale } = wanted
    const all = [...(stale ? this.#before : this.#objects)]
      .filter(([key]) => key.startsWith(prefix) && compare(key, after) > 0)
      .toSorted(([one], [other]) => compare(one, other))
    return { items: all.slice(0, most), truncated: all.length > most }
  }
}

function compare(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}
