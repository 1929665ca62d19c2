import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Answer, Order } from './mutation-worker.ts'

/** Tries every order in worker processes, each with a simulator of its own, and hands over each answer as it comes. */
export async function tryAll(orders: readonly Order[], options: Options & { readonly workers: number }): Promise<void> {
  const left = [...orders]
  await Promise.all(Array.from({ length: Math.min(options.workers, orders.length) }, () => work(left, options)))
}

interface Options {
  /** Asked before each order; then none is begun any more. */
  isOver(): boolean
  /** `seconds`: for how long the worker was at it. */
  answered(answer: Answer, seconds: number): void
}

async function work(left: Order[], { isOver, answered }: Options): Promise<void> {
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
    for (let order = left.shift(); order !== undefined && !isOver(); order = left.shift()) {
      const began = Date.now()
      const answer = next()
      child.send(order)
      const received = (await answer) as Answer // The worker sends nothing else once it is ready.
      answered(received, (Date.now() - began) / 1000)
    }
  } finally {
    child.disconnect()
    await ended.catch(() => undefined)
  }
}
