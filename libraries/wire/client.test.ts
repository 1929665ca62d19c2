import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { expect, test } from 'vitest'
import type { ArchiveTask, Call } from '@moorage/contract'
import { wireClient } from './client.ts'
import { remoteMover } from './remote-mover.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"result":42}'
const CONFLICT = '{"error":{"code":"CONFLICT","message":"no","effect":"none"}}'

test('a daemon that dies with a call that came over a kept-alive line leaves its effect unknown', async () => {
  const daemon = await listen((socket, request) => {
    if (request === 1) return socket.write(OK)
    daemon.close()
    return socket.resetAndDestroy()
  })
  const call = clientOf(daemon)
  expect(await call('any/method', {}, newCall())).toBe(42)
  // The repetition is refused, which on its own would mean that nothing happened.
  await expect(call('any/method', {}, newCall())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'possible' })
})

test('an error that answers a repeated call says nothing about the first attempt', async () => {
  const daemon = await listen((socket, request) => {
    if (request === 1) return socket.write(OK)
    if (request === 2) return socket.resetAndDestroy()
    return socket.end(`HTTP/1.1 409 Conflict\r\ncontent-length: ${CONFLICT.length}\r\n\r\n${CONFLICT}`)
  })
  const call = clientOf(daemon)
  await call('any/method', {}, newCall())
  await expect(call('any/method', {}, newCall())).rejects.toMatchObject({ code: 'CONFLICT', effect: 'possible' })
  daemon.close()
})

test('a call that nobody listens to has no effect', async () => {
  const daemon = await listen(() => undefined)
  const call = clientOf(daemon)
  daemon.close()
  await once(daemon, 'close')
  await expect(call('any/method', {}, newCall())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
})

test('a list of changes that is too long for a request is left out, so that the mover compares, and a short one goes', async () => {
  const sent: object[] = []
  const mover = remoteMover(async <Result>(_: string, args: object) => {
    sent.push(args)
    return undefined as Result // Nobody looks at the answer.
  })
  const changes = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ offset: at * 8192, length: 4096, kind: 'data' as const }))
  const task = { kind: 'archive', snapshot: 'one' } as ArchiveTask // What else it has does not matter here.
  await mover.submit({ ...task, changes: changes(3) }, newCall())
  await mover.submit({ ...task, changes: changes(100_001) }, newCall())
  expect(sent).toEqual([{ task: { ...task, changes: changes(3) } }, { task }])
})

/** A server that is told of each request, counted over all lines. */
async function listen(onRequest: (socket: net.Socket, request: number) => unknown): Promise<net.Server> {
  let requests = 0
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => onRequest(socket, ++requests))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function clientOf(server: net.Server) {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return wireClient({ url: `http://127.0.0.1:${address.port}`, user: 'u', password: 'p' })
}

function newCall(): Call {
  return { key: randomUUID(), fence: 0, deadline: Date.now() + 5000, signal: new AbortController().signal }
}
