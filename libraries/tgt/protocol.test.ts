import { assert, constantFrom, property, string } from 'fast-check'
import { expect, test } from 'vitest'
import { decodeResponse, encodeRequest, joinParameters } from './protocol.ts'

test('a request has the layout of struct tgtadm_req on LP64', () => {
  const text = joinParameters({ path: '/a/b', bsoflags: 'direct' })
  const bytes = encodeRequest({ mode: 'device', op: 'new', tid: 7, lun: 1, text })
  expect(bytes.readUInt32LE(0)).toBe(2)
  expect(bytes.readUInt32LE(4)).toBe(0)
  expect(bytes.toString('latin1', 8, 14)).toBe('iscsi\0')
  expect(bytes.readUInt32LE(72)).toBe(bytes.length)
  expect(bytes.readInt32LE(76)).toBe(7)
  expect(bytes.readBigUInt64LE(88)).toBe(1n)
  expect(bytes.toString('latin1', 120)).toBe('path=/a/b,bsoflags=direct\0')
})

test('a request without a target asks for all of them with -1, and without parameters it is the bare header', () => {
  const bytes = encodeRequest({ mode: 'target', op: 'show' })
  expect(bytes.readInt32LE(76)).toBe(-1)
  expect(bytes).toHaveLength(120)
})

test('session, connection and force stand where tgtd reads them', () => {
  const bytes = encodeRequest({ mode: 'connection', op: 'delete', tid: 1, sid: 65_535, cid: 3, force: true })
  expect(bytes.readBigUInt64LE(80)).toBe(65_535n)
  expect(bytes.readUInt32LE(96)).toBe(3)
  expect(bytes.readUInt32LE(116)).toBe(1)
})

test('no value can smuggle in a second parameter, a line or the end of the text', () => {
  assert(
    property(string(), constantFrom(',', '\n', '\r'), string(), (head, separator, tail) => {
      expect(() => joinParameters({ user: head + separator + tail })).toThrow(RangeError)
    }),
  )
  expect(() => encodeRequest({ mode: 'account', op: 'new', text: 'user=a\0b' })).toThrow(RangeError)
})

test('parameters that tgtd would drop for their length are refused', () => {
  expect(() => encodeRequest({ mode: 'target', op: 'new', text: 'x'.repeat(8192) })).toThrow(RangeError)
})

test('a response is complete only with all the bytes it announces', () => {
  const whole = Buffer.alloc(8 + 6)
  whole.writeUInt32LE(0, 0)
  whole.writeUInt32LE(whole.length, 4)
  whole.write('hello\0', 8)
  expect(decodeResponse(whole)).toEqual({ rc: 0, text: 'hello' })
  for (let cut = 0; cut < whole.length; cut += 1) expect(decodeResponse(whole.subarray(0, cut))).toBeUndefined()
})

test('an error response carries its number and no text', () => {
  const refusal = Buffer.alloc(8)
  refusal.writeUInt32LE(19, 0)
  refusal.writeUInt32LE(8, 4)
  expect(decodeResponse(refusal)).toEqual({ rc: 19, text: '' })
})
