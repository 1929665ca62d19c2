import { type ArchiveStore, packKey } from '@moorage/archive-format'
import type { Call } from '@moorage/contract'

/** Packs on their way to the store. */
export class Uploads {
  readonly #store: ArchiveStore
  readonly #call: Call
  readonly #open = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  /** Bytes that the store has taken. */
  sentBytes = 0

  constructor(store: ArchiveStore, call: Call) {
    this.#store = store
    this.#call = call
  }

  /** Begins to store a pack; `after` is called once it is stored. Never throws: `check` does, and `settled`. */
  begin(pack: string, bytes: Uint8Array, after: () => void): void {
    const upload = this.#store
      .put(packKey(pack), bytes, this.#call)
      .then(
        () => {
          this.sentBytes += bytes.length
          after()
        },
        (error: unknown) => {
          this.#failure ??= { error }
        },
      )
      .finally(() => this.#open.delete(upload))
    this.#open.add(upload)
  }

  /** Throws what made an upload fail. */
  check(): void {
    if (this.#failure) throw this.#failure.error
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open)
    this.check()
  }
}
