import { expect, test } from 'vitest'
import type { Connection, VolumeId } from '@moorage/contract'
import { openPlan, parsePortal } from './block-nodes.ts'
import { namesOf } from './names.ts'

const volume = '5f0c1a52-6d8e-4b1c-9d6c-0a7b8c9d0e1f' as VolumeId // A UUID.
const names = namesOf({ volume, generation: 40 })
const iscsi = { via: 'iscsi', portal: '127.0.0.1:3260', iqn: 'iqn.x:v', lun: 1, initiator: 'iqn.x:host' } as const

test('the CHAP secret is in the secret object and nowhere else', () => {
  const plan = openPlan(names, { ...iscsi, chap: { user: 'tenant', secret: 'hush-hush-hush' } }, 'rw')
  expect(plan.secret).toEqual({ 'qom-type': 'secret', id: names.secret, data: 'hush-hush-hush' })
  expect(JSON.stringify(plan.nodes)).not.toContain('hush')
  expect(plan.nodes[0]).toMatchObject({
    user: 'tenant',
    'password-secret': names.secret,
    'initiator-name': 'iqn.x:host',
  })
  expect(plan.portal).toBe('127.0.0.1:3260')
})

test('without CHAP there is no secret object', () => {
  const plan = openPlan(names, iscsi, 'rw')
  expect(plan.secret).toBeUndefined()
  expect(plan.nodes[0]).not.toHaveProperty('user')
})

test('discards pass on every node, zeroes are left alone, and read-only holds on every node', () => {
  for (const node of openPlan(names, iscsi, 'ro').nodes) {
    expect(node).toMatchObject({ discard: 'unmap', 'detect-zeroes': 'off', 'read-only': true })
  }
})

test('a file that is to be opened read-only is, whatever the mode of the disk', () => {
  const file: Connection = { via: 'file', path: '/pool/v.raw', format: 'raw', readOnly: true }
  expect(openPlan(names, file, 'rw').nodes).toMatchObject([{ 'read-only': true }, { 'read-only': true }])
})

test('the format node sits on the protocol node', () => {
  const file: Connection = { via: 'file', path: '/pool/v.qcow2', format: 'qcow2' }
  expect(openPlan(names, file, 'rw').nodes).toMatchObject([
    { 'node-name': names.protocol, driver: 'file', filename: '/pool/v.qcow2' },
    { 'node-name': names.format, driver: 'qcow2', file: names.protocol },
  ])
})

test('NBD addresses are read in both forms', () => {
  const nbd = (uri: string) => openPlan(names, { via: 'nbd', uri, export: 'v' }, 'rw')
  expect(nbd('nbd://10.0.0.1:10810')).toMatchObject({
    portal: '10.0.0.1:10810',
    nodes: [{ server: { type: 'inet', host: '10.0.0.1', port: '10810' }, export: 'v' }, {}],
  })
  expect(nbd('nbd://[::1]')).toMatchObject({ portal: '[::1]:10809', nodes: [{ server: { host: '::1' } }, {}] })
  const local = nbd('nbd+unix:///?socket=/run/v.sock')
  expect(local.nodes[0]).toMatchObject({ server: { type: 'unix', path: '/run/v.sock' } })
  expect(local.portal).toBeUndefined()
  expect(() => nbd('http://10.0.0.1')).toThrow(expect.objectContaining({ code: 'INVALID' }))
})

test('a protocol that the host does not speak is unsupported', () => {
  const rbd: Connection = { via: 'rbd', monitors: [], pool: 'p', image: 'i', user: 'u', key: 'k' }
  expect(() => openPlan(names, rbd, 'rw')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', effect: 'none' }))
})

test('portals are host and port, IPv6 in brackets', () => {
  expect(parsePortal('array.example:3260')).toEqual({ host: 'array.example', port: 3260 })
  expect(parsePortal('[fe80::1]:3260')).toEqual({ host: 'fe80::1', port: 3260 })
  for (const text of ['array', 'array:', ':3260', 'array:0', 'array:70000', 'fe80::1:3260', 'a b:1']) {
    expect(() => parsePortal(text)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  }
})
