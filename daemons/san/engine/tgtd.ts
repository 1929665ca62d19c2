import { readdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { tgtClient, type TgtClient, TgtError, TgtLineError } from '@moorage/tgt'
import { letters } from '../state/access.ts'
import { adoptOrStart, type Daemon } from './processes.ts'

/** A tgtd that answers and listens. */
export interface Tgtd {
  readonly daemon: Daemon
  readonly client: TgtClient
}

/** Where tgtd puts its files and listens. */
export interface TgtdOptions {
  /** Path of its management socket, without the control port that tgtd appends. */
  readonly socket: string
  /** `host:port`. */
  readonly portal: string
  readonly log: string
}

const CONTROL_PORT = 1
const START_MS = 10_000
const ANSWER_MS = 5000

/**
 * An account that is bound to every target first and whose secret nobody knows. While it is there, no target is ever
 * without an account, which tgtd takes to mean that no password is needed.
 */
export const GUARD_ACCOUNT = 'moorage-guard'

/**
 * Starts tgtd or adopts the one that runs. One worker per LUN: its writes are serialized by FUSE anyway (reads at full
 * speed are even faster than with two), and its counters are then those of one thread. Throws when the portal is taken:
 * tgtd would go on without a listener.
 */
export async function startTgtd(options: TgtdOptions): Promise<Tgtd> {
  const { socket, portal, log } = options
  const mark = `${socket}.pid`
  const client = tgtClient({ path: `${socket}.${CONTROL_PORT}`, timeoutMs: ANSWER_MS })
  const args = ['-f', '-C', String(CONTROL_PORT), '-t', '1', '-p', mark, '--iscsi', `portal=${portal}`]
  const daemon = await adoptOrStart({ command: 'tgtd', args, mark, env: { TGT_IPC_SOCKET: socket }, log })
  const portals = await firstAnswer(client, daemon)
  if (!portals.includes(portal)) {
    // Nobody is served by a tgtd that does not listen where its initiators look for it.
    await daemon.kill()
    if (daemon.adopted) return startTgtd(options)
    throw new Error(`tgtd cannot listen on ${portal}: is the address in use? See ${log}`)
  }
  await createAccount(client, { user: GUARD_ACCOUNT, secret: letters(16) })
  return { daemon, client }
}

async function firstAnswer(client: TgtClient, daemon: Daemon): Promise<readonly string[]> {
  const deadline = Date.now() + START_MS
  let running = true
  void daemon.gone.then(() => (running = false))
  for (;;) {
    try {
      return await client.portals()
    } catch (error) {
      if (!(error instanceof TgtLineError)) throw error
      if (!running) throw new Error('tgtd ended right after its start', { cause: error })
      if (Date.now() > deadline) throw error
      await pause(5)
    }
  }
}

/** Makes an account; one of that name stays as it is. */
export async function createAccount(
  client: TgtClient,
  account: { readonly user: string; readonly secret: string },
): Promise<void> {
  await client.createAccount(account).catch(unless('USER_EXIST'))
}

/** Swallows one refusal of tgtd, for requests whose aim is then already reached. */
export function unless(...reasons: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof TgtError) || !reasons.includes(error.reason)) throw error
  }
}

/** Threads that tgtd runs now. */
export async function threadsOf(daemon: Daemon): Promise<readonly number[]> {
  return (await readdir(`/proc/${daemon.pid}/task`)).map(Number)
}
