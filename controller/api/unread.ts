import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { refuse } from '../operations/refusals.ts'
import { unreadable } from './dispatch.ts'

/** The most that a request's head may have, its query included, in bytes; and how long a request may take to arrive, in milliseconds. */
export const HEAD_BYTES = 64 * 1024
/** See `HEAD_BYTES`. */
export const ARRIVAL_MS = 30_000

/** How long a client has to take the answer and go. */
const LINGER_MS = 2_000

/**
 * Answers what could not be read as a request as any other refusal is answered, and ends the connection. Called again for what
 * still comes in of it, that is thrown away: a connection that is closed with bytes unread would take the answer with it.
 */
export function refuseUnread(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || socket.writableEnded) return
  if (!socket.writable) return void socket.destroy()
  const { status, body, refused } = unreadable(refuse('MALFORMED', sentence(error.code)), randomUUID())
  const text = JSON.stringify(body)
  const head = [
    `HTTP/1.1 ${status} Bad Request`,
    'Content-Type: application/json; charset=UTF-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    `X-Description: ${refused ?? ''}`,
    'Cache-Control: no-store',
    'Connection: close',
  ]
  socket.setTimeout(LINGER_MS, () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}

function sentence(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return `Unable to read the request: its query and headers have more than ${HEAD_BYTES} bytes; the body of a POST may have more`
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return `Unable to read the request: it did not arrive within ${ARRIVAL_MS / 1000} s`
  return 'Unable to read the request: it is no HTTP'
}
