import { type Call, PluginError } from '@moorage/contract'

/** Turns per key: work on one key runs one after the other, in the order of asking; work on different keys does not wait. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `work` when it is its turn. Throws `BUSY`, effect `none`, when the call's deadline passes before that. */
  async run<Result>(key: string, call: Pick<Call, 'deadline'>, work: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key)
    const mine = Promise.withResolvers<void>()
    const tail = (before ?? Promise.resolve()).then(() => mine.promise)
    this.#tails.set(key, tail)
    try {
      if (before) await turn(before, call, key)
      return await work()
    } finally {
      mine.resolve()
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }

  /** Keys on which work runs or waits. */
  heldKeys(): readonly string[] {
    return [...this.#tails.keys()]
  }
}

/** Waits for what came before. Whoever gives up stays in the queue as a link that passes the turn on at once. */
async function turn(before: Promise<void>, call: Pick<Call, 'deadline'>, key: string): Promise<void> {
  const late = Promise.withResolvers<never>()
  const message = `another call holds ${key}`
  const timer = setTimeout(
    () => late.reject(new PluginError('BUSY', message, 'none')),
    Math.max(0, call.deadline - Date.now()),
  )
  try {
    await Promise.race([before, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
