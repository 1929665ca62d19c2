import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseOptions } from './options.ts'

const directory = mkdtempSync(join(tmpdir(), 'san-options-'))
const credentials = join(directory, 'credentials')
writeFileSync(credentials, '{"user":"u","password":"p"}', { mode: 0o600 })
afterAll(() => rmSync(directory, { recursive: true }))

const GOOD = {
  '--data': '/srv/san',
  '--listen': '127.0.0.1:9000',
  '--portal': '127.0.0.1:3260',
  '--credentials': credentials,
}

function parse(changes: Readonly<Record<string, string | undefined>> = {}) {
  const all = Object.entries({ ...GOOD, ...changes })
  return parseOptions(all.flatMap(([name, value]) => (value === undefined ? [] : [name, value])))
}

test('a command line gives what a SAN needs, with defaults', () => {
  expect(parse()).toEqual({
    data: '/srv/san',
    listen: { host: '127.0.0.1', port: 9000 },
    portal: '127.0.0.1:3260',
    user: 'u',
    password: 'p',
    pool: 'pool1',
    poolBytes: 200 * 1024 ** 3,
    iops: 10_000,
  })
})

test('what cannot be used is refused, naming the argument', () => {
  expect(() => parse({ '--data': undefined })).toThrow('--data is missing')
  expect(() => parse({ '--data': `/${'long'.repeat(30)}` })).toThrow('--data')
  expect(() => parse({ '--data': '/srv/a,b' })).toThrow('--data')
  expect(() => parse({ '--listen': '9000' })).toThrow('--listen')
  expect(() => parse({ '--portal': '127.0.0.1:0' })).toThrow('--portal')
  expect(() => parse({ '--portal': '127.0.0.1:70000' })).toThrow('--portal')
  expect(() => parse({ '--pool-bytes': '1000' })).toThrow('--pool-bytes')
  expect(() => parse({ '--iops': 'many' })).toThrow('--iops')
  expect(() => parse({ '--pool': '../x' })).toThrow('--pool')
  expect(() => parse({ '--password': 'secret' })).toThrow('--password')
})

test('credentials that others can read are refused, and so are those that are not whole', () => {
  chmodSync(credentials, 0o644)
  expect(() => parse()).toThrow('must have mode 0600')
  chmodSync(credentials, 0o600)
  expect(() => parse({ '--credentials': join(directory, 'nowhere') })).toThrow('cannot be read')
  const half = join(directory, 'half')
  writeFileSync(half, '{"user":"u"}', { mode: 0o600 })
  expect(() => parse({ '--credentials': half })).toThrow('must hold')
})
