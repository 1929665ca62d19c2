import { type Call, PluginError } from '@moorage/contract'
import { connectGuestAgent, type GuestAgent, QmpLineError } from '@moorage/qmp'
import { qmpFailure, timeLeft } from './deadline.ts'
import type { Machine } from './machine.ts'

interface SharedSession {
  readonly opening: Promise<GuestAgent>
  users: number
  idle?: NodeJS.Timeout
}

/** An agent that runs answers within milliseconds; this allows for a guest that is busy. */
const AGENT_TIMEOUT_MS = 5000
/** The agent sleeps for 100 ms when a client leaves, before it looks for the next: whoever is back soon need not wait. */
const LINGER_MS = 1000

/**
 * Sessions with guest agents. The agent serves one client, so all work on one machine shares a session, which is closed
 * soon after the last is done.
 */
export class Agents {
  readonly #sessions = new Map<Machine, SharedSession>()

  /** Runs `work` with the machine's agent. Throws `UNAVAILABLE`, effect `none`, when no agent answers. */
  async use<Result>(
    machine: Machine,
    call: Pick<Call, 'deadline'>,
    work: (agent: GuestAgent) => Promise<Result>,
  ): Promise<Result> {
    const session = this.#join(machine, call)
    try {
      return await work(await reached(machine, session))
    } finally {
      this.#leave(machine, session)
    }
  }

  /** Keeps the session open, if there is one, until the result is called. */
  hold(machine: Machine): () => void {
    const session = this.#sessions.get(machine)
    if (!session) return () => {}
    session.users += 1
    return () => this.#leave(machine, session)
  }

  /** Ends all sessions. */
  close(): void {
    for (const [machine, session] of this.#sessions) this.#end(machine, session)
  }

  #join(machine: Machine, call: Pick<Call, 'deadline'>): SharedSession {
    const session = this.#sessions.get(machine) ?? this.#open(machine, call)
    clearTimeout(session.idle)
    session.users += 1
    return session
  }

  #leave(machine: Machine, session: SharedSession): void {
    session.users -= 1
    if (session.users === 0) session.idle = setTimeout(() => this.#end(machine, session), LINGER_MS)
  }

  #open(machine: Machine, call: Pick<Call, 'deadline'>): SharedSession {
    const path = machine.files.agent
    const opening = connectGuestAgent({ path, timeoutMs: timeLeft(call, AGENT_TIMEOUT_MS) })
    const session: SharedSession = { opening, users: 0 }
    this.#sessions.set(machine, session)
    const forget = () => this.#end(machine, session)
    opening.then((agent) => agent.closed.then(forget), forget)
    return session
  }

  #end(machine: Machine, session: SharedSession): void {
    clearTimeout(session.idle)
    if (this.#sessions.get(machine) === session) this.#sessions.delete(machine)
    session.opening.then(
      (agent) => agent.close(),
      () => {},
    )
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
