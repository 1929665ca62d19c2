const FIRST_MS = 200

/**
 * How long to wait before attempt `attempt + 1`, in milliseconds: between half and the whole of a span that doubles from
 * 200 ms up to `most`, so that those who failed together do not come back together.
 */
export function backoffMs(attempt: number, most: number): number {
  const span = Math.min(most, FIRST_MS * 2 ** Math.min(attempt - 1, 30))
  return Math.round(span * (0.5 + Math.random() / 2))
}

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function restUntil(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
