import { PluginError } from '@moorage/contract'
import { expect, test } from 'vitest'
import { bytes, consumer, exposure, owner, source, uuid, volumeSpec } from './check.ts'

const ID = '0b8f2a70-1c52-4c63-9f0d-6f2f1c3f8a11'
const CONSUMER = { kind: 'host', id: ID, initiator: 'iqn.2026-01.test:h' }
const EXPOSURE = { source: { kind: 'volume', id: ID }, consumer: CONSUMER, mode: 'rw', account: 'a' }

function refusal(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof PluginError && error.effect === 'none') return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

test('good arguments are read as they are', () => {
  expect(exposure(EXPOSURE)).toEqual(EXPOSURE)
  expect(volumeSpec({ id: ID, bytes: 5, qos: {}, settings: { any: 'thing' } })).toEqual({
    id: ID,
    bytes: 5,
    qos: {},
    settings: {},
  })
})

test('bad arguments are refused as invalid, naming them', () => {
  expect(refusal(() => uuid('nope', 'id'))).toContain('INVALID id')
  expect(refusal(() => uuid(ID.toUpperCase(), 'id'))).toContain('INVALID id')
  expect(refusal(() => bytes(1.5, 'bytes'))).toContain('INVALID bytes')
  expect(refusal(() => bytes(2 ** 60, 'bytes'))).toContain('INVALID bytes')
  expect(refusal(() => source({ kind: 'disk', id: ID }, 'source'))).toContain('INVALID source.kind')
  expect(refusal(() => owner('../../etc'))).toContain('INVALID owner')
  expect(refusal(() => owner(''))).toContain('INVALID owner')
  for (const initiator of ['host', 'iqn.a,b', 'iqn.a b', 'iqn.a\nb', '']) {
    expect(refusal(() => consumer({ ...CONSUMER, initiator }, 'consumer'))).toContain('INVALID consumer.initiator')
  }
  expect(refusal(() => exposure({ ...EXPOSURE, mode: 'w' }))).toContain('INVALID exposure.mode')
  expect(refusal(() => exposure({ ...EXPOSURE, source: { kind: 'snapshot', id: ID } }))).toContain('read-only')
  expect(refusal(() => exposure(null))).toContain('INVALID exposure')
})
