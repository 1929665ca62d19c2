import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fences } from './fences.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fences-'))
})
afterAll(() => rm(directory, { recursive: true }))

test('whoever comes late is refused, also after a restart and a line that was cut short', async () => {
  const path = join(directory, 'kept')
  const first = await Fences.open(path)
  await first.claim(['job a', 'snapshot b'], 5)
  await first.claim(['job a'], 7)
  await first.claim(['job a'], 7)
  await first.claim(['job c'], 1)
  await first.close()
  await appendFile(path, '["job a",9')
  const second = await Fences.open(path)
  await expect(second.claim(['job a'], 6)).rejects.toMatchObject({ code: 'FENCED', effect: 'none' })
  await expect(second.claim(['job c', 'snapshot b'], 4)).rejects.toMatchObject({ code: 'FENCED' })
  // Refused for one, it raises none.
  await second.claim(['job c'], 2)
  await second.claim(['snapshot b'], 5)
  await second.close()
})

test('of two that come at once only the higher one passes, whichever came first', async () => {
  const fences = await Fences.open(join(directory, 'raced'))
  const came = await Promise.allSettled([fences.claim(['job a'], 5), fences.claim(['job a'], 6)])
  expect(came.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  await fences.close()
})

test('what is a week old is forgotten', async () => {
  const path = join(directory, 'old')
  const week = 7 * 24 * 3_600_000
  const lines = [
    ['job a', 9, Date.now() - week - 1000],
    ['job b', 9, Date.now() - week + 60_000],
  ]
  await appendFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const fences = await Fences.open(path)
  await fences.claim(['job a'], 1)
  await expect(fences.claim(['job b'], 1)).rejects.toMatchObject({ code: 'FENCED' })
  await fences.close()
})
