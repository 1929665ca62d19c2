import net from 'node:net'
import { PluginError } from '@moorage/contract'
import { greet, type NbdExport } from './nbd-greeting.ts'
import { type NbdReply, NbdReplies } from './nbd-replies.ts'

/** Where an NBD server listens, and what it serves. */
export interface NbdAddress {
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number }
  readonly export: string
}

/** A run of an export: `zero` where it reads as zeros without being read. */
export interface NbdRun {
  readonly offset: number
  readonly length: number
  readonly zero: boolean
}

const REQUEST_MAGIC = 0x25609513
const COMMANDS = { read: 0, write: 1, disconnect: 2, flush: 3, zero: 6, status: 7 } as const
/** A server must take this much at once (NBD protocol, "block size constraints"). */
const LARGEST_PAYLOAD = 32 * 1024 * 1024
/** What has no payload may be longer; the length has 32 bits. */
const LARGEST_RUN = 1024 * 1024 * 1024

/**
 * A client of NBD (github.com/NetworkBlockDevice/nbd, doc/proto.md): the newstyle handshake, structured replies, and block
 * status for holes. Requests may overlap. Throws `UNAVAILABLE`, effect `possible`, when the line or the server fails.
 */
export class NbdClient {
  /** Bytes of the export. */
  readonly bytes: number
  readonly #export: NbdExport
  readonly #socket: net.Socket
  readonly #replies = new NbdReplies()
  readonly #lost: Promise<void>
  #handle = 0n

  private constructor(socket: net.Socket, found: NbdExport) {
    this.#socket = socket
    this.#export = found
    this.bytes = found.bytes
    socket.removeAllListeners('data')
    socket.on('data', (data: Buffer) => {
      try {
        this.#replies.take(data)
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)))
      }
    })
    this.#lost = new Promise((resolve) => {
      socket.once('close', () => {
        this.#replies.fail(unavailable('the line to the NBD server is down'))
        resolve()
      })
    })
    if (found.rest.length > 0) this.#replies.take(found.rest)
    socket.resume()
  }

  /** Opens an export. `NOT_FOUND` when the server has none of that name. */
  static async connect(address: NbdAddress): Promise<NbdClient> {
    const socket = net.connect(address.at)
    socket.setNoDelay(true)
    let failure = 'connection closed'
    socket.on('error', (error) => (failure = error.message))
    try {
      return new NbdClient(socket, await greet(socket, address.export))
    } catch (error) {
      socket.destroy()
      if (error instanceof PluginError) throw error
      throw unavailable(`no NBD export "${address.export}": ${failure}`, error)
    }
  }

  /** Fills `into` with the bytes at `offset`. */
  async read(offset: number, into: Buffer): Promise<void> {
    for (let at = 0; at < into.length; at += LARGEST_PAYLOAD) {
      const part = into.subarray(at, at + LARGEST_PAYLOAD)
      await this.#ask('read', { offset: offset + at, length: part.length, into: part })
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += LARGEST_PAYLOAD) {
      const payload = bytes.subarray(at, at + LARGEST_PAYLOAD)
      await this.#ask('write', { offset: offset + at, length: payload.length, payload })
    }
  }

  /** Makes a run read as zeros, as a hole where the server can. Throws `UNSUPPORTED` where it cannot at all. */
  async zero(offset: number, length: number): Promise<void> {
    if (!this.#export.canZero) throw new PluginError('UNSUPPORTED', 'the NBD server writes no zeros', 'none')
    for (let at = 0; at < length; at += LARGEST_RUN) {
      await this.#ask('zero', { offset: offset + at, length: Math.min(LARGEST_RUN, length - at) })
    }
  }

  /** Resolves once what was answered is durable. */
  async flush(): Promise<void> {
    if (this.#export.canFlush) await this.#ask('flush', { offset: 0, length: 0 })
  }

  /** How the export is laid out, in order and without gaps; one run of data where the server does not tell. */
  async *layout(): AsyncGenerator<NbdRun> {
    let offset = 0
    while (offset < this.bytes) {
      const length = Math.min(LARGEST_RUN, this.bytes - offset)
      const runs = this.#export.context === undefined ? [] : (await this.#ask('status', { offset, length })).runs
      if (runs.length === 0) runs.push({ length, flags: 0 })
      for (const run of runs) {
        const clipped = Math.min(run.length, this.bytes - offset)
        // Bit 1: reads as zeros. A hole need not.
        if (clipped > 0) yield { offset, length: clipped, zero: (run.flags & 2) !== 0 }
        offset += clipped
      }
    }
  }

  /** Says goodbye. Resolves when the line is down. */
  async close(): Promise<void> {
    this.#socket.end(this.#request('disconnect', { offset: 0, length: 0 }))
    await this.#lost
  }

  #ask(
    command: keyof typeof COMMANDS,
    run: { readonly offset: number; readonly length: number; readonly into?: Buffer; readonly payload?: Uint8Array },
  ): Promise<NbdReply> {
    if (this.#socket.destroyed) return Promise.reject(unavailable('the line to the NBD server is down'))
    const header = this.#request(command, run)
    const answer = this.#replies.expect(this.#handle, { into: run.into, offset: run.offset })
    this.#socket.write(header)
    if (run.payload) this.#socket.write(run.payload)
    return answer
  }

  #request(command: keyof typeof COMMANDS, run: { readonly offset: number; readonly length: number }): Buffer {
    this.#handle += 1n
    const header = Buffer.alloc(28)
    header.writeUInt32BE(REQUEST_MAGIC)
    header.writeUInt16BE(COMMANDS[command], 6)
    header.writeBigUInt64BE(this.#handle, 8)
    header.writeBigUInt64BE(BigInt(run.offset), 16)
    header.writeUInt32BE(run.length, 24)
    return header
  }
}

function unavailable(message: string, cause?: unknown): PluginError {
  return new PluginError('UNAVAILABLE', message, 'possible', cause)
}
