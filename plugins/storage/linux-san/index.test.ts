import { SAN_LIMITS } from '@moorage/san/testing'
import { expect, test } from 'vitest'
import { LINUX_SAN_LIMITS, linuxSan } from './index.ts'

const GOOD = {
  url: 'linux-san://127.0.0.1:9000/pool1',
  settings: { user: 'u', password: 'p' },
  owner: '4c8a7e7e-0000-4000-8000-000000000000',
}

test('the plug-in declares the limits that the daemon keeps', () => {
  expect(LINUX_SAN_LIMITS).toEqual(SAN_LIMITS)
})

test('a pool opens without any I/O, with the facets that the daemon serves', () => {
  const provider = linuxSan.open(GOOD)
  expect(Object.keys(provider).toSorted()).toEqual([
    'access',
    'changeList',
    'clones',
    'inventory',
    'limits',
    'pools',
    'qos',
    'resize',
    'revert',
    'snapshots',
    'stats',
    'volumes',
  ])
})

test('a wrong url or a missing setting is refused, naming it', () => {
  for (const url of [
    '',
    'http://127.0.0.1:1/p',
    'linux-san://127.0.0.1/p',
    'linux-san://127.0.0.1:1/',
    'linux-san://127.0.0.1:1/a/b',
  ]) {
    expect(() => linuxSan.open({ ...GOOD, url })).toThrow(/^url:/)
  }
  expect(() => linuxSan.open({ ...GOOD, url: 'linux-san://u:p@127.0.0.1:1/p' })).toThrow('as settings')
  expect(() => linuxSan.open({ ...GOOD, settings: { user: 'u' } })).toThrow(/^password:/)
  expect(() => linuxSan.open({ ...GOOD, settings: { password: 'p' } })).toThrow(/^user:/)
})
