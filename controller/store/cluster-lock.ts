import { mkdirSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Runs `work` while no other controller on this machine does so for the same directory: starting, adopting and stopping
 * the database server must not overlap. The lock is an abstract unix socket, which the kernel frees when its owner dies,
 * so there is no stale lock to judge. Throws after `withinMs` without the lock.
 */
export async function withClusterLock<Result>(
  dir: string,
  options: { readonly withinMs: number },
  work: () => Promise<Result>,
): Promise<Result> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { dev, ino } = statSync(dir)
  const lock = await acquire(`\0moorage-cluster-${dev}-${ino}`, dir, options.withinMs)
  try {
    return await work()
  } finally {
    await new Promise((resolve) => lock.close(resolve))
  }
}

async function acquire(name: string, dir: string, withinMs: number): Promise<Server> {
  const until = Date.now() + withinMs
  for (;;) {
    const server = await bind(name)
    if (server) return server
    if (Date.now() > until) throw new Error(`another process has held the lock on ${dir} for more than ${withinMs} ms`)
    await pause(20)
  }
}

function bind(name: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(name, () => resolve(server))
  })
}
