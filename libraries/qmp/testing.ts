import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from './json-line-socket.ts'

/** A unix-socket server of one test that speaks JSON lines. */
export interface LineServer {
  readonly path: string
  /** Connections open now. */
  open(): number
  close(): Promise<void>
}

/** Writes one message to the client; a string goes as it is, without a newline added. */
export type Write = (message: object | string | Uint8Array) => void

/** Serves JSON lines on a socket in a directory of its own. `onConnect` greets, `onLine` answers; both may write. */
export async function serveLines(options: {
  onConnect?(write: Write, socket: net.Socket): void
  onLine?(line: JsonObject, write: Write, socket: net.Socket): void
}): Promise<LineServer> {
  const directory = await mkdtemp(join(tmpdir(), 'qmp-'))
  const path = join(directory, 's')
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    const write: Write = (message) => {
      const raw = typeof message === 'string' || message instanceof Uint8Array
      socket.write(raw ? message : `${JSON.stringify(message)}\n`)
    }
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) options.onLine?.(JSON.parse(line.replace(/^\u00ff/, '')) as JsonObject, write, socket) // Our own clients write objects only.
    })
    options.onConnect?.(write, socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    path,
    open: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true })
    },
  }
}

/** A server that greets like QEMU, accepts `qmp_capabilities` and hands every other command to `answer`. */
export function serveQmp(
  answer: (request: JsonObject, write: Write, socket: net.Socket) => void,
): ReturnType<typeof serveLines> {
  return serveLines({
    onConnect: (write) => write({ QMP: { version: {}, capabilities: [] } }),
    onLine: (request, write, socket) => {
      if (request['execute'] === 'qmp_capabilities') write({ return: {}, id: request['id'] })
      else answer(request, write, socket)
    },
  })
}
