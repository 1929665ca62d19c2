import { createServer } from 'node:net'
import type { Layout } from './layout.ts'
import { isOrphaned, runningDaemon } from './process.ts'

/** Throws, naming the address and what to do, when another program holds one that the lab is about to listen on. */
export async function checkPorts(at: Layout, names: readonly (keyof Layout['listen'])[]): Promise<void> {
  const owner = {
    api: at.controller,
    integration: at.controller,
    san: at.san,
    portal: at.san,
    hostd: at.hostd,
    mover: at.mover,
  }
  const wanted = names.filter((name) => !runningDaemon(owner[name]) && !isOrphaned(owner[name]))
  const taken: string[] = []
  for (const name of wanted) if (!(await isFree(at.listen[name]))) taken.push(at.listen[name])
  if (taken.length === 0) return
  throw new Error(
    `another program listens on ${taken.join(' and ')}: choose other ports with MOORAGE_LAB_PORT=18080 (for quickstart and down)`,
  )
}

/** Whether this process could listen on `host:port`. */
function isFree(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':')
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(Number(port), host, () => server.close(() => resolve(true)))
  })
}
