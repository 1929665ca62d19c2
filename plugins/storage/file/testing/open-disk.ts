import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpenDisk } from '@moorage/conformance'
import type { Connection } from '@moorage/contract'

const ANSWER_MS = 10_000
const PROMPT = 'qemu-io> '

/**
 * Opens a file as QEMU does, with its locks, in a qemu-io that stays until it is closed: a session like that of a machine,
 * by a path that is not ours. Rejects when it cannot be opened.
 */
export async function openDisk(connection: Connection): Promise<OpenDisk> {
  if (connection.via !== 'file') throw new Error(`not a file: ${connection.via}`)
  const folder = await mkdtemp(join(tmpdir(), 'file-session-'))
  const ways = connection.readOnly ? ['-r', '-U'] : []
  // Standard error joins in, so that a complaint stands where it belongs.
  const line = 'exec qemu-io -d unmap "$@" 2>&1'
  const child = spawn('sh', ['-c', line, 'sh', ...ways, '-f', connection.format, connection.path])
  const session = new Session(child)
  const close = async () => {
    await session.end()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await session.answer()
  } catch (error) {
    await close()
    throw error
  }
  return {
    async write(offset, bytes) {
      const file = join(folder, 'bytes')
      await writeFile(file, bytes)
      const said = await session.ask(`write -s ${file} ${offset} ${bytes.length}`)
      if (!said.includes(`wrote ${bytes.length}/${bytes.length} bytes`)) throw new Error(said)
      const flushed = await session.ask('flush')
      if (flushed !== '') throw new Error(flushed)
    },
    async read(offset, length) {
      const said = await session.ask(`read -v ${offset} ${length}`)
      const hex = [...said.matchAll(/^[0-9a-f]{8,}: {2}((?:[0-9a-f]{2} )+)/gm)].map(([, line = '']) => line)
      const bytes = Buffer.from(hex.join('').replaceAll(' ', ''), 'hex')
      if (bytes.length !== length) throw new Error(`read ${bytes.length} of ${length} bytes: ${said.slice(0, 200)}`)
      return bytes
    },
    close,
  }
}

/** One qemu-io: a command in, what it says of it out, up to its next prompt. */
class Session {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #exited: Promise<unknown>
  readonly #said: AsyncIterator<string>

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#exited = once(child, 'exit')
    child.stdout.setEncoding('utf8')
    this.#said = child.stdout.iterator() as AsyncIterator<string> // What a stream with an encoding gives.
    // A session that has ended takes no commands; its end says so.
    child.stdin.on('error', () => undefined)
  }

  /** Until the prompt; qemu-io takes up a command only when the one before is done. */
  async answer(): Promise<string> {
    let said = ''
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_MS)
    try {
      while (!said.endsWith(PROMPT)) {
        const part = await this.#said.next()
        if (part.done === true) throw new Error(`the session ended: ${said}`)
        said += part.value
      }
      return said.slice(0, -PROMPT.length)
    } finally {
      clearTimeout(killer)
    }
  }

  async ask(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n`)
    return this.answer()
  }

  async end(): Promise<void> {
    this.#child.stdin.end()
    await this.#exited
  }
}
