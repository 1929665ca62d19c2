import { afterEach, expect, test } from 'vitest'
import { connectQmp, type QmpClient, QmpError, QmpLineError } from './index.ts'
import { type LineServer, serveLines, serveQmp } from './testing.ts'

const servers: LineServer[] = []
const clients: QmpClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const server of servers.splice(0)) await server.close()
})

async function qmp(answer: Parameters<typeof serveQmp>[0]): Promise<QmpClient> {
  const server = await serveQmp(answer)
  servers.push(server)
  const client = await connectQmp({ path: server.path, timeoutMs: 2000 })
  clients.push(client)
  return client
}

test('answers are matched to commands by id even when they come in another order', async () => {
  const held: (() => void)[] = []
  const client = await qmp((request, write) => {
    held.push(() => write({ return: request['execute'], id: request['id'] }))
    if (held.length === 2) for (const release of held.reverse()) release()
  })
  const answers = await Promise.all([client.execute<string>('first'), client.execute<string>('second')])
  expect(answers).toEqual(['first', 'second'])
})

test('a refusal carries the class and the description of QEMU and names the command', async () => {
  const client = await qmp((request, write) => {
    write({ error: { class: 'DeviceNotFound', desc: "Device 'x' not found" }, id: request['id'] })
  })
  const refusal = await client.execute('device_del', { id: 'x' }).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(QmpError)
  expect(refusal).toMatchObject({ errorClass: 'DeviceNotFound', message: "device_del: Device 'x' not found" })
})

test('a message split over several packets, in the middle of a character too, is read whole', async () => {
  const client = await qmp((request, write) => {
    const bytes = Buffer.from(`${JSON.stringify({ return: 'Größe', id: request['id'] })}\n`)
    const middle = bytes.indexOf(0xc3) + 1
    write(bytes.subarray(0, middle))
    setImmediate(() => write(bytes.subarray(middle)))
  })
  expect(await client.execute<string>('any')).toBe('Größe')
})

test('an answer that comes after its command was given up is not taken for that of the next', async () => {
  let late: (() => void) | undefined
  const client = await qmp((request, write) => {
    const answer = () => write({ return: request['execute'], id: request['id'] })
    if (request['execute'] === 'slow') late = answer
    else {
      late?.()
      answer()
    }
  })
  await expect(client.execute('slow', {}, { timeoutMs: 20 })).rejects.toMatchObject({ failure: 'timeout' })
  expect(await client.execute<string>('quick')).toBe('quick')
})

test('an event that came before anyone waited is found, and only once', async () => {
  const client = await qmp((request, write) => {
    write({ event: 'DEVICE_DELETED', data: { device: 'd1' } })
    write({ return: {}, id: request['id'] })
  })
  await client.execute('device_del', { id: 'd1' })
  const where = (data: Readonly<Record<string, unknown>>) => data['device'] === 'd1'
  expect(await client.waitFor('DEVICE_DELETED', { where, timeoutMs: 1000 })).toMatchObject({ data: { device: 'd1' } })
  await expect(client.waitFor('DEVICE_DELETED', { where, timeoutMs: 20 })).rejects.toMatchObject({ failure: 'timeout' })
})

test('an event from before the given point does not count', async () => {
  const client = await qmp((request, write) => {
    write({ event: 'STOP' })
    write({ return: {}, id: request['id'] })
  })
  await client.execute('stop')
  const after = client.received
  await expect(client.waitFor('STOP', { after, timeoutMs: 20 })).rejects.toBeInstanceOf(QmpLineError)
  const waiting = client.waitFor('STOP', { after, timeoutMs: 1000 })
  await client.execute('stop')
  expect(await waiting).toEqual({ event: 'STOP', data: {} })
})

test('listeners hear every event until they leave', async () => {
  const client = await qmp((request, write) => {
    write({ event: 'RESUME', data: {} })
    write({ return: {}, id: request['id'] })
  })
  let heard = 0
  const leave = client.onEvent(() => {
    heard += 1
  })
  await client.execute('cont')
  leave()
  await client.execute('cont')
  expect(heard).toBe(1)
})

test('a connection that drops rejects commands and waits, and everything asked afterwards', async () => {
  const client = await qmp((request, _write, socket) => {
    if (request['execute'] === 'quit') socket.destroy()
  })
  const pending = [
    client.execute('query-block'),
    client.waitFor('SHUTDOWN', { timeoutMs: 5000 }),
    client.execute('quit'),
  ]
  for (const outcome of await Promise.allSettled(pending)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'QmpLineError', failure: 'lost' } })
  }
  await client.closed
  await expect(client.execute('query-block')).rejects.toMatchObject({ failure: 'lost' })
})

test('a socket that nobody serves is unreachable once the time is up', async () => {
  await expect(connectQmp({ path: '/nonexistent/qmp', timeoutMs: 30 })).rejects.toMatchObject({
    failure: 'unreachable',
  })
})

test('a socket that another client holds ends in a timeout and leaves no connection', async () => {
  const server = await serveLines({})
  servers.push(server)
  await expect(connectQmp({ path: server.path, timeoutMs: 50 })).rejects.toMatchObject({ failure: 'timeout' })
  await expect.poll(() => server.open()).toBe(0)
})
