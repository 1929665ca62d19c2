import { afterEach, expect, test } from 'vitest'
import { connectGuestAgent, type GuestAgent } from './index.ts'
import type { JsonObject } from './json-line-socket.ts'
import { type LineServer, serveLines, type Write } from './testing.ts'

const servers: LineServer[] = []
const agents: GuestAgent[] = []

afterEach(async () => {
  for (const agent of agents.splice(0)) agent.close()
  for (const server of servers.splice(0)) await server.close()
})

function sync(request: JsonObject, write: Write): boolean {
  if (request['execute'] !== 'guest-sync-delimited') return false
  const { id } = request['arguments'] as { id: number } // The agent's schema of this command.
  write(Uint8Array.of(0xff))
  write({ return: id })
  return true
}

async function serve(onLine: (request: JsonObject, write: Write) => void): Promise<LineServer> {
  const server = await serveLines({ onLine })
  servers.push(server)
  return server
}

async function connect(server: LineServer): Promise<GuestAgent> {
  const agent = await connectGuestAgent({ path: server.path, timeoutMs: 3000 })
  agents.push(agent)
  return agent
}

test('what an earlier client left on the line is dropped', async () => {
  const server = await serve((request, write) => {
    if (request['execute'] === 'guest-sync-delimited') write('{"return": {"half": ')
    if (!sync(request, write)) write({ return: 'fresh', id: request['id'] })
  })
  const agent = await connect(server)
  expect(await agent.execute<string>('guest-info')).toBe('fresh')
})

test('the greeting is repeated for a guest that was still booting', async () => {
  let greetings = 0
  const server = await serve((request, write) => {
    greetings += 1
    if (greetings > 1) sync(request, write)
  })
  await connect(server)
  expect(greetings).toBeGreaterThan(1)
})

test('a guest without an agent ends in a timeout and leaves no connection', async () => {
  const server = await serve(() => {})
  await expect(connectGuestAgent({ path: server.path, timeoutMs: 50 })).rejects.toMatchObject({ failure: 'timeout' })
  await expect.poll(() => server.open()).toBe(0)
})

test('a script is polled until it has ended and gives exit code and both outputs', async () => {
  let polls = 0
  const server = await serve((request, write) => {
    if (sync(request, write)) return
    const id = request['id']
    if (request['execute'] === 'guest-exec') return write({ return: { pid: 7 }, id })
    polls += 1
    const text = (value: string) => Buffer.from(value).toString('base64')
    const done = { exited: true, exitcode: 3, 'out-data': text('out'), 'err-data': text('err') }
    write({ return: polls < 3 ? { exited: false } : done, id })
  })
  const agent = await connect(server)
  expect(await agent.exec('true', { timeoutMs: 2000 })).toEqual({ exitCode: 3, stdout: 'out', stderr: 'err' })
})

test('a script that does not end in time is given up', async () => {
  const server = await serve((request, write) => {
    if (sync(request, write)) return
    write({ return: request['execute'] === 'guest-exec' ? { pid: 7 } : { exited: false }, id: request['id'] })
  })
  const agent = await connect(server)
  await expect(agent.exec('sleep 9', { timeoutMs: 60 })).rejects.toMatchObject({ failure: 'timeout' })
})
