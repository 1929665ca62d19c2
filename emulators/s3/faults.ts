/** What can go wrong with a request. `lost`: it is done, and the connection ends instead of an answer. */
export type FaultKind = 'slow-down' | 'internal' | 'lost' | 'cut' | 'full' | 'silent' | 'stale-list'

/** An order to fail. */
export interface FaultOrder {
  readonly kind: FaultKind
  /** Only requests with this method. */
  readonly method?: string
  /** Only requests whose key contains this. */
  readonly key?: string
  /** How many requests; all from now on when absent. */
  readonly times?: number
}

/** Orders to fail, in the order in which they were given. */
export class Faults {
  #orders: { readonly order: FaultOrder; left: number }[] = []

  /** Lets requests to come fail. */
  add(order: FaultOrder): void {
    this.#orders.push({ order, left: order.times ?? Infinity })
  }

  /** From now on nothing fails. */
  clear(): void {
    this.#orders = []
  }

  /** What is to happen to a request; counts it. */
  take(method: string, key: string): FaultKind | undefined {
    const found = this.#orders.find(
      ({ order, left }) =>
        left > 0 && (order.method ?? method) === method && (order.key === undefined || key.includes(order.key)),
    )
    if (found) found.left -= 1
    return found?.order.kind
  }
}
