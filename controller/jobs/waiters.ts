/** Callers that wait for operations to end. */
export interface Waiters {
  /** Resolves with `true` once `tell` hears that the operation has ended, with `false` after `timeoutMs` or on `until`. */
  wait(operation: string, timeoutMs: number, options?: { readonly until?: AbortSignal }): Promise<boolean>
  tell(operations: readonly string[]): void
  /** Operations that somebody waits for. */
  awaited(): readonly string[]
}

/** No waiters yet. */
export function createWaiters(): Waiters {
  const waiting = new Map<string, Set<(ended: boolean) => void>>()
  return {
    wait: (operation, timeoutMs, { until } = {}) =>
      new Promise((resolve) => {
        const others = waiting.get(operation) ?? new Set()
        const settle = (ended: boolean) => {
          clearTimeout(timer)
          until?.removeEventListener('abort', giveUp)
          others.delete(settle)
          if (others.size === 0 && waiting.get(operation) === others) waiting.delete(operation)
          resolve(ended)
        }
        const giveUp = () => settle(false)
        const timer = setTimeout(giveUp, until?.aborted === true ? 0 : timeoutMs)
        until?.addEventListener('abort', giveUp, { once: true })
        others.add(settle)
        waiting.set(operation, others)
      }),
    tell: (operations) => {
      for (const operation of operations) for (const settle of waiting.get(operation) ?? []) settle(true)
    },
    awaited: () => [...waiting.keys()],
  }
}
