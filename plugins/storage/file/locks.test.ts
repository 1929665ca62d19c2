import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { locked } from './locks.ts'
import { call } from './testing/calls.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'file-locks-'))
})
afterAll(() => rm(directory, { recursive: true }))

const take = (key: string, ms: number) => locked(directory, [key], { call: call({ ms }), work: async () => key })

test('a process that is stopped inside a call keeps others out until it dies, and leaves nothing to clear away', async () => {
  const worker = join(import.meta.dirname, 'testing/worker.ts')
  const holder = spawn(process.execPath, [worker, 'hold', directory, 'volume/1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(holder, 'exit')
  try {
    await once(holder.stdout, 'data')
    holder.kill('SIGSTOP')
    await expect(take('volume/1', 500)).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'none' })
    // 1 and 2 are neighbours, and neighbours have locks of their own.
    await expect(take('volume/2', 20_000)).resolves.toBe('volume/2')
  } finally {
    holder.kill('SIGKILL')
    await ended
  }
  await expect(take('volume/1', 20_000)).resolves.toBe('volume/1')
})

test('calls on one object follow each other, whatever order they name theirs in', async () => {
  let inside = 0
  const work = async () => {
    expect(++inside).toBe(1)
    await take('snapshot/9', 20_000)
    inside--
  }
  const orders = Array.from({ length: 8 }, (_, index) =>
    index % 2 ? ['volume/1', 'volume/2'] : ['volume/2', 'volume/1'],
  )
  await Promise.all(orders.map((keys) => locked(directory, keys, { call: call(), work })))
})

test('who gives up while it waits is told so, and holds nothing afterwards', async () => {
  const giveUp = new AbortController()
  await locked(directory, ['volume/1'], {
    call: call(),
    work: async () => {
      const waits = locked(directory, ['volume/1'], {
        call: { ...call(), signal: giveUp.signal },
        work: async () => expect.fail('it was let in'),
      })
      giveUp.abort()
      await expect(waits).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'none' })
    },
  })
  await expect(take('volume/1', 20_000)).resolves.toBe('volume/1')
})
