import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Call, PluginError, type VmId } from '@moorage/contract'
import type { GuestAgent } from '@moorage/qmp'
import type { Agents } from './agents.ts'
import { forUndo, qmpFailure, timeLeft } from './deadline.ts'
import type { Machine } from './machine.ts'
import { type ProcessRef, refOf, signal } from './qemu-process.ts'
import type { FreezeRecord, VmRecord, VmRecords } from './records.ts'

const DEAD_MAN = fileURLToPath(import.meta.resolve('./dead-man.ts'))
/** Starting a process takes a tenth of a second; a machine under load may need more. */
const ARM_TIMEOUT_MS = 10_000
const THAW_TIMEOUT_MS = 30_000

/**
 * Freezes and thaws guests. Two dead-men are armed before a freeze: a timer here, and a process that outlives this one. The
 * agent serves one client: this process stays that client while it lives, so that a thaw takes no longer than it must, and
 * the other gets in when this one is gone. The record says whether the thaw was asked for. Callers hold the VM's freeze
 * lock.
 */
export class Quiescer {
  readonly #records: VmRecords
  readonly #agents: Agents
  readonly #timers = new Map<VmId, NodeJS.Timeout>()
  /** Ends our hold on the agent's line. */
  readonly #held = new Map<VmId, () => void>()

  constructor(records: VmRecords, agents: Agents) {
    this.#records = records
    this.#agents = agents
  }

  /**
   * Holds the guest's writes for `withinMs` at most. A machine without a guest has no file systems to hold: 0. Throws
   * `BUSY` while another freeze holds; `UNAVAILABLE` without an agent; `TIMEOUT` when the dead-man had to thaw before the
   * guest had answered: nothing is frozen then.
   */
  async freeze(machine: Machine, withinMs: number, call: Call): Promise<{ readonly filesystems: number }> {
    const held = this.#records.get(machine.id)?.freeze
    if (held && held.endedByDeadMan === undefined && Date.now() < held.until) {
      if (held.key === call.key && held.filesystems !== undefined) return { filesystems: held.filesystems }
      throw new PluginError('BUSY', `VM ${machine.id} is frozen by another call`, 'none')
    }
    // A dead-man that is late must not end the next freeze.
    if (held) disarm(held)
    // Counted from before the dead-man is armed: it is a bound, and that only makes the window shorter.
    const until = Date.now() + withinMs
    if (machine.bare) {
      await this.#begin(machine.id, { key: call.key, since: Date.now(), until, filesystems: 0 })
      return { filesystems: 0 }
    }
    return this.#agents.use(machine, call, async (agent) => {
      const deadMan = await armDeadMan(machine, until)
      const freeze = { key: call.key, since: Date.now(), until, deadMan }
      await this.#begin(machine.id, freeze)
      this.#armTimer(machine, freeze)
      this.#release(machine.id)
      this.#held.set(machine.id, this.#agents.hold(machine))
      return this.#freezeNow(machine, { agent, freeze }, call)
    })
  }

  /**
   * Lets the guest's writes go. `held`: everything was held from the freeze until now. Thawing what is not frozen answers
   * `held: false`. The same call gets the same answer again.
   */
  async thaw(machine: Machine, call: Call): Promise<{ readonly held: boolean; readonly frozenMs: number }> {
    const record = this.#records.get(machine.id)
    if (record?.thawed?.key === call.key) return { held: record.thawed.held, frozenMs: record.thawed.frozenMs }
    const freeze = record?.freeze
    if (!freeze) return { held: false, frozenMs: 0 }
    const thawed = machine.bare ? 0 : await this.#agents.use(machine, call, (agent) => thawNow(agent, timeLeft(call)))
    const now = Date.now()
    const inTime = freeze.endedByDeadMan === undefined && now < freeze.until
    // A guest that has fewer to thaw than it froze was thawed by someone else.
    const held = inTime && freeze.filesystems !== undefined && thawed >= freeze.filesystems
    const answer = { key: call.key, held, frozenMs: (freeze.endedByDeadMan ?? now) - freeze.since }
    await this.#end(machine.id, (each) => ({ ...each, thawed: answer }))
    return { held: answer.held, frozenMs: answer.frozenMs }
  }

  /** Arms the timer again for a freeze that an earlier process of ours began. */
  adopt(machine: Machine): void {
    const freeze = this.#records.get(machine.id)?.freeze
    if (freeze && freeze.endedByDeadMan === undefined && !machine.bare) this.#armTimer(machine, freeze)
  }

  /** The machine ends: nothing of it is frozen any more. */
  async forget(id: VmId): Promise<void> {
    if (this.#records.get(id)?.freeze) await this.#end(id, (record) => record)
  }

  /** Stops the timers; the processes stay, and thaw. */
  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#held.clear()
  }

  async #begin(id: VmId, freeze: FreezeRecord): Promise<void> {
    await this.#records.update(id, (record) => ({ ...known(record), freeze }))
  }

  async #freezeNow(
    machine: Machine,
    how: { readonly agent: GuestAgent; readonly freeze: FreezeRecord },
    call: Call,
  ): Promise<{ readonly filesystems: number }> {
    const { agent, freeze } = how
    try {
      const timeoutMs = Math.min(timeLeft(call), Math.max(1, freeze.until - Date.now()))
      const filesystems = await agent.execute<number>('guest-fsfreeze-freeze', undefined, { timeoutMs })
      await this.#begin(machine.id, { ...freeze, filesystems })
      return { filesystems }
    } catch (error) {
      // Queued behind the freeze in the agent, so it undoes one that is still under way.
      await thawNow(agent, timeLeft(forUndo(call)))
      await this.#end(machine.id, (record) => record)
      const { code, message } = qmpFailure(error)
      throw new PluginError(code, message, 'none', error)
    }
  }

  #armTimer(machine: Machine, freeze: FreezeRecord): void {
    const fire = () => {
      this.#timers.delete(machine.id)
      this.#thawAlone(machine, freeze).catch(() => {
        // The guest did not answer us: let the other dead-man try, and `thaw` find out.
        this.#release(machine.id)
      })
    }
    clearTimeout(this.#timers.get(machine.id))
    this.#timers.set(machine.id, setTimeout(fire, Math.max(0, freeze.until - Date.now())))
  }

  async #thawAlone(machine: Machine, freeze: FreezeRecord): Promise<void> {
    const call = { deadline: Date.now() + THAW_TIMEOUT_MS }
    await this.#agents.use(machine, call, (agent) => thawNow(agent, THAW_TIMEOUT_MS))
    const endedByDeadMan = Date.now()
    await this.#records.update(machine.id, (record) => {
      const current = known(record)
      const same = current.freeze?.since === freeze.since && current.freeze.key === freeze.key
      return same ? { ...current, freeze: { ...current.freeze, endedByDeadMan } } : current
    })
    this.#release(machine.id)
    disarm(freeze)
  }

  #release(id: VmId): void {
    this.#held.get(id)?.()
    this.#held.delete(id)
  }

  async #end(id: VmId, change: (record: VmRecord) => VmRecord): Promise<void> {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    this.#release(id)
    await this.#records.update(id, (record) => {
      const { freeze, ...rest } = known(record)
      if (freeze) disarm(freeze)
      return change(rest)
    })
  }
}

function thawNow(agent: GuestAgent, timeoutMs: number): Promise<number> {
  return agent.execute<number>('guest-fsfreeze-thaw', undefined, { timeoutMs }).catch((error: unknown) => {
    throw qmpFailure(error)
  })
}

/** Starts the process and waits until it says that it is armed. */
async function armDeadMan(machine: Machine, at: number): Promise<ProcessRef> {
  const args = [DEAD_MAN, '--agent', machine.files.agent, '--at', String(at)]
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  child.unref()
  try {
    await Promise.race([once(child.stdout, 'data', { signal: AbortSignal.timeout(ARM_TIMEOUT_MS) }), failureOf(child)])
    const deadMan = refOf(child.pid ?? 0)
    if (deadMan) return deadMan
    throw new Error('the dead-man is gone')
  } catch (error) {
    child.kill('SIGKILL')
    throw new PluginError('UNAVAILABLE', `VM ${machine.id}: the thaw could not be armed`, 'none', error)
  } finally {
    child.stdout.destroy()
  }
}

async function failureOf(child: ChildProcess): Promise<never> {
  await once(child, 'exit')
  throw new Error('the dead-man ended at once')
}

function disarm(freeze: FreezeRecord): void {
  if (freeze.deadMan) signal(freeze.deadMan, 'SIGTERM')
}

/** Only machines that were started are frozen, and those have a record. */
function known(record: VmRecord | undefined): VmRecord {
  if (record) return record
  throw new PluginError('NOT_FOUND', 'the VM has no record', 'none')
}
