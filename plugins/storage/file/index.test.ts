import { expect, test } from 'vitest'
import { fileStorage } from './index.ts'

const GOOD = { url: 'file:///srv/pool', settings: {}, owner: '4c8a7e7e-0000-4000-8000-000000000000' }

test('raw files have what reflinks give, and end the sessions of their one writer', () => {
  const provider = fileStorage.open(GOOD)
  expect(Object.keys(provider).toSorted()).toEqual(
    'access changeList clones inventory limits pools resize revert snapshots volumes'.split(' '),
  )
  expect(provider.limits).toMatchObject({ withdrawal: 'ends-sessions', maxWriters: 1 })
})

test('images have less, and their hosts must detach', () => {
  const provider = fileStorage.open({ ...GOOD, settings: { format: 'qcow2' } })
  expect(Object.keys(provider).toSorted()).toEqual('access inventory limits pools resize volumes'.split(' '))
  expect(provider.limits).toMatchObject({ withdrawal: 'host-must-detach' })
  expect(provider.limits).not.toHaveProperty('maxWriters')
})

test('a wrong url, setting or mark is refused, naming it', () => {
  for (const url of ['', '/srv', 'nfs://server/srv', 'file://server/srv', 'file:///', 'file:///a?b', 'file:///a%2fb']) {
    expect(() => fileStorage.open({ ...GOOD, url })).toThrow(/^url:/)
  }
  expect(() => fileStorage.open({ ...GOOD, settings: { format: 'vmdk' } })).toThrow(/^format:/)
  expect(() => fileStorage.open({ ...GOOD, settings: { mounted: 'perhaps' } })).toThrow(/^mounted:/)
  expect(() => fileStorage.open({ ...GOOD, owner: '../other' })).toThrow(/^owner:/)
})

test('an offering can say how the space of its volumes is taken', () => {
  expect(fileStorage.offeringSettings).toMatchObject([{ name: 'preallocation', oneOf: ['none', 'full'] }])
})
