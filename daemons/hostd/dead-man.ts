import { parseArgs } from 'node:util'
import { connectGuestAgent } from '@moorage/qmp'

/**
 * Thaws a guest at a given time, whatever became of the host daemon: a process of its own, started before the freeze and
 * ended by whoever thaws. Says `armed` on its standard output. `--agent SOCKET --at EPOCH_MS`.
 */

/** While the daemon lives it may hold the agent's only line for as long as a command takes. */
const CONNECT_TIMEOUT_MS = 30_000

const { values } = parseArgs({ options: { agent: { type: 'string' }, at: { type: 'string' } } })
const at = Number(values.at)
if (values.agent === undefined || !Number.isFinite(at))
  throw new Error('usage: dead-man.ts --agent SOCKET --at EPOCH_MS')

process.stdout.write('armed\n')
await new Promise((resolve) => {
  setTimeout(resolve, at - Date.now())
})
const agent = await connectGuestAgent({ path: values.agent, timeoutMs: CONNECT_TIMEOUT_MS })
await agent.execute('guest-fsfreeze-thaw')
agent.close()
