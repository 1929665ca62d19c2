/** After so long nothing is heard any more of the transaction in which an operation was submitted. */
const FORGOTTEN_MS = 2_000

/**
 * Operations that are being submitted and will be run by this node at once if their transaction commits. That a transaction
 * was rolled back is not told, so that offers are forgotten after a while.
 */
export class Offers {
  readonly #since = new Map<string, number>()

  make(operation: string): void {
    this.#since.set(operation, performance.now())
  }

  taken(operation: string): void {
    this.#since.delete(operation)
  }

  /** How many are open. */
  count(): number {
    const then = performance.now() - FORGOTTEN_MS
    for (const [operation, since] of this.#since) if (since < then) this.#since.delete(operation)
    return this.#since.size
  }
}
