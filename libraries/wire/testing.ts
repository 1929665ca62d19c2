import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Ports for daemons of tests that are killed and started again on the same address. They lie below the range from which
 * the kernel gives outgoing connections theirs (`net.ipv4.ip_local_port_range`, 32768 and up on Linux): from within it a
 * client that tries to reach the dead daemon may be given the daemon's own port, and hold it against its return.
 */
const LOWEST = 10_000
const HIGHEST = 32_000

/** The first of `count` consecutive ports of the loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = randomInt(LOWEST, HIGHEST - count)
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)))
    if (free.every(Boolean)) return first
  }
}

/** A port of the loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return freePorts(1)
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
