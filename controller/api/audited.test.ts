import { expect, test } from 'vitest'
import { shownParams } from './audited.ts'
import { receive } from './received.ts'
import { COMMANDS } from './registry.ts'

const createStoragePool = COMMANDS.find(({ name }) => name === 'createStoragePool') ?? expect.fail('no such command')

function shown(name: string, value: string): unknown {
  const params = JSON.parse(
    shownParams(createStoragePool, receive(`${name}=${encodeURIComponent(value)}`)),
  ) as Readonly<Record<string, unknown>> // What `shownParams` writes.
  return params[name]
}

test('credentials in a url are hidden, also a password that holds an @', () => {
  expect(shown('url', 'iscsi://me:secret@array/pool')).toBe('iscsi://[hidden]@array/pool')
  expect(shown('url', 'http://me:p@ss@word@array/pool a@b')).toBe('http://[hidden]@array/pool a@b')
  expect(shown('url', 'http://array/me@home')).toBe('http://array/me@home')
})

// Each took minutes of the event loop where credentials were sought from every letter.
test.each([
  ['letters', 'x'.repeat(2_000_000)],
  ['slashes', '/'.repeat(2_000_000)],
  ['ats', '@'.repeat(2_000_000)],
  ['urls', 'x://'.repeat(500_000)],
  ['brackets', '['.repeat(2_000_000)],
])('megabytes of %s from a stranger are shown cut', (_what, text) => {
  expect(shown('url', text)).toMatch(/\.\.\. \(2000000\)$/)
  expect(JSON.parse(shownParams(createStoragePool, receive(encodeURIComponent(text))))).toEqual({
    '[unknown]': '[hidden]',
  })
})
