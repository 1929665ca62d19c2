import { once } from 'node:events'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { livePostmaster } from './store/postmaster.ts'
import { exitOf, usePrograms } from './testing-program.ts'

const { root, data, moorage } = usePrograms()

describe('a controller', () => {
  test('that cannot listen says so, ends with 1, and leaves no database running', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const started = moorage(['serve', '--data', data(), '--listen', `127.0.0.1:${port}`])
    expect(await exitOf(started)).toBe(1)
    expect(started.err()).toContain('EADDRINUSE')
    taken.close()
    expect(livePostmaster(join(data(), 'postgres'))).toBeUndefined()
  }, 60_000)

  test('names a plug-in that it cannot load, with exit code 1', async () => {
    const started = moorage(['serve', '--data', data(), '--listen', '127.0.0.1:0', '--plugin', '/nowhere/acme'])
    expect(await exitOf(started)).toBe(1)
    expect(started.err()).toContain('--plugin /nowhere/acme: ENOENT')
  }, 60_000)

  test('refuses an integration port that others could reach', async () => {
    const started = moorage(['serve', '--data', data(), '--listen', '127.0.0.1:0', '--integration-listen', '0.0.0.0:0'])
    expect(await exitOf(started)).toBe(1)
    expect(started.err()).toContain('loopback')
  }, 60_000)
})

describe('a controller that cannot start says what is wrong in the words of its operator, with exit code 1', () => {
  const cases: readonly (readonly [string, string, NodeJS.ProcessEnv])[] = [
    ['--data: /proc/moorage cannot be used: ENOENT', '/proc/moorage', {}],
    ['--data: /dev/null cannot be used: /dev/null is no directory', '/dev/null', {}],
    ['MOORAGE_DATABASE_URL: must be postgres://', 'data', { MOORAGE_DATABASE_URL: 'localhost' }],
    ['ECONNREFUSED 127.0.0.1:1', 'data', { MOORAGE_DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/d' }],
    ['cannot be used: Invalid URL', 'data', { MOORAGE_DATABASE_URL: 'postgres://u:hidden@127.0.0.1:999999/d' }],
    ['there is no master key file /nowhere', 'data', { MOORAGE_MASTER_KEY_FILE: '/nowhere' }],
  ]
  for (const [says, dir, env] of cases) {
    test(`${says}...`, async () => {
      const argv = ['serve', '--data', resolve(root(), dir), '--listen', '127.0.0.1:0']
      const started = moorage(argv, env)
      expect(await exitOf(started)).toBe(1)
      expect(started.err()).toContain(says)
      expect(started.err() + started.out()).not.toContain('hidden')
    })
  }
})

test('a flag that cannot be followed is named, with exit code 2', async () => {
  const started = moorage(['serve', '--data', data(), '--listen', 'nonsense'])
  expect(await exitOf(started)).toBe(2)
  expect(started.err()).toBe('moorage: --listen: must be HOST:PORT, as 127.0.0.1:8080 or [::1]:8080; got nonsense\n')
})
