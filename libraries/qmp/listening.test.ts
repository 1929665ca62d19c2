import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { untilListening } from './index.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qmp-'))
  path = join(directory, 'q')
})
afterEach(() => rm(directory, { recursive: true }))

test('nobody listens where there is nothing, or a file that somebody left', async () => {
  const missed = { name: 'QmpLineError', failure: 'unreachable' }
  await expect(untilListening({ path, timeoutMs: 20 })).rejects.toMatchObject(missed)
  await writeFile(path, '')
  await expect(untilListening({ path, timeoutMs: 20 })).rejects.toMatchObject(missed)
})

test('who listens is waited for, and is not connected to', async () => {
  const waiting = untilListening({ path, timeoutMs: 10_000 })
  const server = net.createServer()
  let connections = 0
  server.on('connection', () => (connections += 1))
  server.listen(path)
  await once(server, 'listening')
  await waiting
  expect(connections).toBe(0)
  server.close()
  await once(server, 'close')
})
