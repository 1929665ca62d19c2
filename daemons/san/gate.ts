import { type Call, PluginError } from '@moorage/contract'

/** Waits for `promise` as long as the call's deadline allows; false when it passed. */
async function within(promise: Promise<unknown>, call: Pick<Call, 'deadline'>): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const timer = setTimeout(() => late.resolve(false), Math.max(0, call.deadline - Date.now()))
  try {
    return await Promise.race([promise.then(() => true), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Lets one task at a time work on an object. Tasks on the same object run in the order in which they came. */
export class KeyedLocks {
  readonly #tails = new Map<string, Promise<unknown>>()

  /**
   * Runs `task` while holding all of `keys`, taken in one order so that no two tasks wait for each other. Throws
   * `TIMEOUT`, effect `none`, when the deadline passes first.
   */
  async run<Result>(
    keys: readonly string[],
    call: Pick<Call, 'deadline'>,
    task: () => Promise<Result>,
  ): Promise<Result> {
    const releases: (() => void)[] = []
    try {
      for (const key of [...new Set(keys)].sort()) releases.push(await this.#take(key, call))
      return await task()
    } finally {
      for (const release of releases) release()
    }
  }

  /** True while a task holds the key or waits for it. */
  isHeld(key: string): boolean {
    return this.#tails.has(key)
  }

  async #take(key: string, call: Pick<Call, 'deadline'>): Promise<() => void> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const { promise: mine, resolve: release } = Promise.withResolvers<void>()
    const tail = before.then(() => mine)
    this.#tails.set(key, tail)
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
    if (await within(before, call)) return release
    release()
    throw new PluginError('TIMEOUT', `${key} is busy with another call`, 'none')
  }
}

/** Lets calls through while it is open, and can be closed for work that must be alone. */
export class Gate {
  #opened: PromiseWithResolvers<void> | undefined = Promise.withResolvers()
  #inside = 0
  #left: PromiseWithResolvers<void> | undefined

  /** Runs `task` inside; waits while closed. Throws `UNAVAILABLE`, effect `none`, when the deadline passes first. */
  async pass<Result>(call: Pick<Call, 'deadline'>, task: () => Promise<Result>): Promise<Result> {
    while (this.#opened) {
      if (await within(this.#opened.promise, call)) continue
      throw new PluginError('UNAVAILABLE', 'the SAN is starting or repairing itself', 'none')
    }
    this.#inside += 1
    try {
      return await task()
    } finally {
      this.#inside -= 1
      if (this.#inside === 0) this.#left?.resolve()
    }
  }

  /** Opens it. Idempotent. A new gate is closed. */
  open(): void {
    this.#opened?.resolve()
    this.#opened = undefined
  }

  /** Lets nobody in from now on, and resolves when nobody is inside. Idempotent. */
  async close(): Promise<void> {
    this.#opened ??= Promise.withResolvers()
    while (this.#inside > 0) {
      this.#left = Promise.withResolvers()
      await this.#left.promise
    }
  }
}
