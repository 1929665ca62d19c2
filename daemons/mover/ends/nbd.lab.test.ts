import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patternBytes } from '@moorage/archive-format/testing'
import { NbdClient } from './nbd.ts'

const MIB = 1024 * 1024
let directory = ''
let path = ''
let stop = async () => {}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nbd-'))
  path = join(directory, 's')
  const image = join(directory, 'image')
  const file = await open(image, 'w')
  await file.truncate(64 * MIB)
  await file.write(patternBytes(1, 3 * MIB), 0, 3 * MIB, 10 * MIB)
  await file.sync()
  await file.close()
  const node = `driver=raw,node-name=disk,discard=unmap,file.driver=file,file.filename=${image},file.discard=unmap`
  const server = ['--nbd-server', `addr.type=unix,addr.path=${path},max-connections=0`]
  const serve = ['--export', 'nbd,id=e,node-name=disk,name=disk,writable=on']
  const child = spawn('qemu-storage-daemon', ['--blockdev', node, ...server, ...serve], { stdio: 'inherit' })
  const ended = once(child, 'exit')
  stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  for (const until = Date.now() + 20_000; !(await readdir(directory)).includes('s'); await pause(5)) {
    if (Date.now() > until) throw new Error('the NBD server does not start')
  }
})
afterAll(async () => {
  await stop()
  await rm(directory, { recursive: true })
})

test('what QEMU serves is read, many requests at a time, and laid out with its holes', async () => {
  const client = await NbdClient.connect({ at: { path }, export: 'disk' })
  expect(client.bytes).toBe(64 * MIB)
  const data: [number, number][] = []
  for await (const { offset, length, zero } of client.layout()) if (!zero) data.push([offset, length])
  expect(data).toEqual([[10 * MIB, 3 * MIB]])
  const parts = Array.from({ length: 16 }, (_, index) => ({
    at: 9 * MIB + index * 300_001,
    into: Buffer.alloc(300_001, 9),
  }))
  await Promise.all(parts.map(({ at, into }) => client.read(at, into)))
  const whole = Buffer.alloc(64 * MIB)
  whole.set(patternBytes(1, 3 * MIB), 10 * MIB)
  for (const { at, into } of parts) expect(into.equals(whole.subarray(at, at + into.length))).toBe(true)
  await client.close()
})

test('what is written and made zero is there for another line, and stays after a flush', async () => {
  const client = await NbdClient.connect({ at: { path }, export: 'disk' })
  await client.write(40 * MIB, patternBytes(2, 5 * MIB))
  await client.zero(11 * MIB, MIB)
  await client.flush()
  await client.close()
  const other = await NbdClient.connect({ at: { path }, export: 'disk' })
  const [read, zeros] = [Buffer.alloc(5 * MIB), Buffer.alloc(MIB, 1)]
  await other.read(40 * MIB, read)
  await other.read(11 * MIB, zeros)
  expect(read.equals(patternBytes(2, 5 * MIB))).toBe(true)
  expect(zeros.equals(Buffer.alloc(MIB))).toBe(true)
  await other.close()
})

test('an export that is not there, a read beyond the end and a server that is gone are told', async () => {
  await expect(NbdClient.connect({ at: { path }, export: 'other' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const nobody = join(directory, 'nobody')
  await expect(NbdClient.connect({ at: { path: nobody }, export: 'disk' })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  })
  const client = await NbdClient.connect({ at: { path }, export: 'disk' })
  await expect(client.read(64 * MIB - 10, Buffer.alloc(20))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await client.close()
  await expect(client.read(0, Buffer.alloc(20))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})
