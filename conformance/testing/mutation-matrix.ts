import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Answer, Order } from './mutation-worker.ts'

/** Tries every order in worker processes, each with a simulator of its own, and hands over each answer as it comes. */
export async function tryAll(
  orders: readonly Order[],
  options: { readonly workers: number; answered(answer: Answer): void },
): Promise<void> {
  const left = [...orders]
  await Promise.all(
    Array.from({ length: Math.min(options.workers, orders.length) }, () => work(left, options.answered)),
  )
}

async function work(left: Order[], answered: (answer: Answer) => void): Promise<void> {
  const child = fork(path.join(import.meta.dirname, 'mutation-worker.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const ended = once(child, 'exit').then(([code, signal]: unknown[]): never => {
    throw new Error(`a worker ended with ${String(code ?? signal)}`)
  })
  const next = async () => {
    const received: unknown[] = await Promise.race([once(child, 'message'), ended])
    return received[0]
  }
  try {
    await next()
    for (let order = left.shift(); order !== undefined; order = left.shift()) {
      const answer = next()
      child.send(order)
      answered((await answer) as Answer) // The worker sends nothing else once it is ready.
    }
  } finally {
    child.disconnect()
    await ended.catch(() => undefined)
  }
}
