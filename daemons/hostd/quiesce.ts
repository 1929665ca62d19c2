import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Call, PluginError, type VmId } from '@moorage/contract'
import type { GuestAgent } from '@moorage/qmp'
import type { Agents } from './agents.ts'
import { forUndo, qmpFailure, timeLeft } from './deadline.ts'
import type { Machine } from './machine.ts'
import { refOf, signal } from './qemu-process.ts'
import type { FreezeRecord, VmRecord, VmRecords } from './records.ts'

const DEAD_MAN = join(import.meta.dirname, 'dead-man.ts')
/** Starting a process takes a tenth of a second; a machine under load may need more. */
const ARM_TIMEOUT_MS = 10_000
const THAW_TIMEOUT_MS = 30_000

/**
 * Freezes and thaws guests. Two dead-men are armed before a freeze: a timer here, and a process that outlives this one.
 * Whoever thaws first wins, and the record says whether it was asked for. Callers hold the VM's freeze lock.
 */
export class Quiescer {
  readonly #records: VmRecords
  readonly #agents: Agents
  readonly #timers = new Map<VmId, NodeJS.Timeout>()

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
    if (machine.bare) return this.#begin(machine, { key: call.key, withinMs, deadManPid: 0 }).then(() => ({ filesystems: 0 }))
    return this.#agents.use(machine, call, async (agent) => {
      // The window is counted from before the process is started: it is a bound, and that only makes it shorter.
      const until = Date.now() + withinMs
      const deadManPid = await armDeadMan(machine, until)
      const freeze = await this.#begin(machine, { key: call.key, withinMs: until - Date.now(), deadManPid })
      this.#armTimer(machine, freeze)
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
  }

  async #begin(machine: Machine, how: { key: string; withinMs: number; deadManPid: number }): Promise<FreezeRecord> {
    const since = Date.now()
    const base = { key: how.key, since, until: since + how.withinMs, deadManPid: how.deadManPid }
    const freeze: FreezeRecord = machine.bare ? { ...base, filesystems: 0 } : base
    await this.#records.update(machine.id, (record) => ({ ...known(record), freeze }))
    return freeze
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
      await this.#records.update(machine.id, (record) => ({ ...known(record), freeze: { ...freeze, filesystems } }))
      return { filesystems }
    } catch (error) {
      // Queued behind the freeze in the agent, so it undoes one that is still under way.
      await thawNow(agent, timeLeft(forUndo(call)))
      await this.#end(machine.id, (record) => record)
      throw qmpFailure(error, 'none')
    }
  }

  #armTimer(machine: Machine, freeze: FreezeRecord): void {
    const fire = () => {
      this.#timers.delete(machine.id)
      this.#thawAlone(machine, freeze).catch(() => {
        // The guest does not answer: the other dead-man keeps trying, and `thaw` will find out.
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
    disarm(freeze)
  }

  async #end(id: VmId, change: (record: VmRecord) => VmRecord): Promise<void> {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
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
async function armDeadMan(machine: Machine, at: number): Promise<number> {
  const args = [DEAD_MAN, '--agent', machine.files.agent, '--at', String(at)]
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    await once(child.stdout, 'data', { signal: AbortSignal.timeout(ARM_TIMEOUT_MS) })
  } catch (error) {
    child.kill('SIGKILL')
    throw new PluginError('UNAVAILABLE', `VM ${machine.id}: the thaw could not be armed`, 'none', error)
  }
  child.stdout.destroy()
  child.unref()
  return child.pid ?? 0
}

function disarm(freeze: FreezeRecord): void {
  const deadMan = refOf(freeze.deadManPid)
  if (deadMan) signal(deadMan, 'SIGTERM')
}

/** Only machines that were started are frozen, and those have a record. */
function known(record: VmRecord | undefined): VmRecord {
  if (record) return record
  throw new PluginError('NOT_FOUND', 'the VM has no record', 'none')
}
