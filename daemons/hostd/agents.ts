import { type Call, PluginError } from '@moorage/contract'
import { connectGuestAgent, type GuestAgent, QmpLineError } from '@moorage/qmp'
import { qmpFailure, timeLeft } from './deadline.ts'
import type { Machine } from './machine.ts'

interface SharedSession {
  readonly opening: Promise<GuestAgent>
  users: number
}

/** An agent that runs answers within milliseconds; this allows for a guest that is busy. */
const AGENT_TIMEOUT_MS = 5000

/**
 * Sessions with guest agents. The agent serves one client, so all work on one machine shares a session, which is closed when
 * the last is done: the dead-man process must be able to reach the agent when this process cannot.
 */
export class Agents {
  readonly #sessions = new Map<Machine, SharedSession>()

  /** Runs `work` with the machine's agent. Throws `UNAVAILABLE`, effect `none`, when no agent answers. */
  async use<Result>(
    machine: Machine,
    call: Pick<Call, 'deadline'>,
    work: (agent: GuestAgent) => Promise<Result>,
  ): Promise<Result> {
    const session = this.#sessions.get(machine) ?? this.#open(machine, call)
    session.users += 1
    try {
      return await work(await reached(machine, session))
    } finally {
      session.users -= 1
      if (session.users === 0) {
        if (this.#sessions.get(machine) === session) this.#sessions.delete(machine)
        session.opening.then(
          (agent) => agent.close(),
          () => {},
        )
      }
    }
  }

  #open(machine: Machine, call: Pick<Call, 'deadline'>): SharedSession {
    const path = machine.files.agent
    const session = { opening: connectGuestAgent({ path, timeoutMs: timeLeft(call, AGENT_TIMEOUT_MS) }), users: 0 }
    this.#sessions.set(machine, session)
    const forget = () => {
      if (this.#sessions.get(machine) === session) this.#sessions.delete(machine)
    }
    session.opening.then((agent) => agent.closed.then(forget), forget)
    return session
  }
}

async function reached(machine: Machine, session: SharedSession): Promise<GuestAgent> {
  try {
    return await session.opening
  } catch (error) {
    if (!(error instanceof QmpLineError)) throw qmpFailure(error, 'none')
    throw new PluginError('UNAVAILABLE', `VM ${machine.id}: ${error.message}`, 'none', error)
  }
}
