import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { leaksOf, RUN_VARIABLE } from './leaks.ts'

async function started(run: string): Promise<ChildProcess> {
  // Waits for the end of its input, which comes at the latest with the end of this test.
  const child = spawn('cat', {
    env: { [RUN_VARIABLE]: run, PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await once(child, 'spawn')
  return child
}

test('a process that outlives its run is found by its environment, until it ends', async () => {
  const run = randomUUID()
  const folder = mkdtempSync(join(tmpdir(), 'leaks-'))
  const child = await started(run)
  try {
    await expect.poll(() => leaksOf(run, folder)).toMatchObject([{ pid: child.pid }])
    expect(leaksOf(randomUUID(), folder)).toEqual([])
  } finally {
    child.kill()
    await once(child, 'exit')
    rmSync(folder, { recursive: true })
  }
  const empty = mkdtempSync(join(tmpdir(), 'leaks-'))
  expect(leaksOf(run, empty)).toEqual([])
  rmSync(empty, { recursive: true })
})

test('a file left in the folder of a run is found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'leaks-'))
  try {
    writeFileSync(join(folder, 'pool.img'), '')
    expect(leaksOf(randomUUID(), folder)).toEqual([{ what: `file ${folder}/pool.img` }])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
