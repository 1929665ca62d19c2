import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reach } from './parse.ts'
import { prepareReach } from './reach.ts'
import { call } from './testing/calls.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reach-'))
})
afterAll(async () => rm(directory, { recursive: true }))

const pool = (text: string) => ({ via: 'file', directory, mark: { name: '.mark', text } }) as const

test('a directory is reached when it has the mark of the pool, and another one under its path is not mistaken for it', async () => {
  const before = await prepareReach(pool('one'), call())
  expect(before).toMatchObject({ reached: false })
  expect(JSON.stringify(before)).toContain('ENOENT')
  await writeFile(join(directory, '.mark'), 'one\n')
  expect(await prepareReach(pool('one'), call())).toEqual({ reached: true })
  expect(await prepareReach(pool('two'), call())).toEqual({
    reached: false,
    why: `${directory} is another pool here`,
  })
})

test('a portal is reached while something listens there, and one of several is enough', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const [there, nobody] = [`127.0.0.1:${port}`, '127.0.0.1:1']
  expect(await prepareReach({ via: 'iscsi', portals: [nobody, there] }, call())).toEqual({ reached: true })
  server.close()
  await once(server, 'close')
  const answer = await prepareReach({ via: 'iscsi', portals: [nobody, there] }, call())
  expect(answer).toMatchObject({ reached: false })
  for (const portal of [there, nobody]) expect(JSON.stringify(answer)).toContain(`portal ${portal}: `)
})

test('what is no way to a pool is refused, naming what is wrong', () => {
  const wrong = [
    [{ via: 'iscsi', portals: [] }, 'reach.portals must be'],
    [{ ...pool('one'), directory: 'somewhere' }, 'reach.directory must be'],
    [{ ...pool('one'), mark: { name: '../mark', text: 'one' } }, 'reach.mark.name must be'],
    [{ via: 'rbd' }, "does not attach disks over 'rbd'"],
  ] as const
  for (const [value, why] of wrong) expect(() => reach(value)).toThrow(why)
  expect(reach(pool('one'))).toEqual(pool('one'))
})
