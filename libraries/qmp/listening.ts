import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { QmpLineError } from './errors.ts'

const LOOK_MS = 5
/** A hundred times what the handing over takes on an idle machine. */
const SETTLE_MS = 50
/** SO_ACCEPTCON among the flags of proc/net/unix, which are the fourth field (proc(5)); the path is the last one. */
const LISTENS = 0x10000

/**
 * Waits until a qemu-storage-daemon that was just started can be connected to, where somebody may have left a socket file
 * before. It begins to listen in its main thread and hands that over to the thread of its monitor; who connects in between
 * makes both of them accept, and if the main thread comes second it blocks for ever, and every command with it (seen with
 * QEMU 7.2, a stack in each thread). Throws `QmpLineError` `unreachable` when nobody listens within `timeoutMs`.
 */
export async function untilListening(options: { readonly path: string; readonly timeoutMs: number }): Promise<void> {
  const { path, timeoutMs } = options
  const deadline = Date.now() + timeoutMs
  while (!(await isListening(path))) {
    if (Date.now() > deadline) throw new QmpLineError('unreachable', `${path}: nobody listens`)
    await pause(LOOK_MS)
  }
  await pause(SETTLE_MS)
}

async function isListening(path: string): Promise<boolean> {
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n')
  return lines.some(
    (line) => line.endsWith(` ${path}`) && (Number.parseInt(line.split(' ')[3] ?? '', 16) & LISTENS) > 0,
  )
}
