import { expect, test } from 'vitest'
import { LZ4_LEGACY_MAGIC, unpackLz4Legacy } from './lz4.ts'

function frame(...blocks: readonly (readonly number[])[]): Buffer {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(LZ4_LEGACY_MAGIC)
  const parts = blocks.map((block) => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(block.length)
    return Buffer.concat([length, Buffer.from(block)])
  })
  return Buffer.concat([magic, ...parts])
}

const ascii = (text: string) => [...Buffer.from(text)]

test('literals, copies, copies that repeat themselves and long lengths are unpacked', () => {
  // Four literals, then 4 bytes from 4 back; one literal, then 4 + 15 + 6 bytes from 1 back; a last literal.
  const block = [0x40, ...ascii('abcd'), 4, 0, 0x1f, ...ascii('x'), 1, 0, 6, 0x10, ...ascii('!')]
  expect(unpackLz4Legacy(frame(block)).toString()).toBe(`abcdabcdx${'x'.repeat(25)}!`)
  const long = [0xf0, 5, ...ascii('01234567890123456789')]
  expect(unpackLz4Legacy(frame(long)).toString()).toBe('01234567890123456789')
})

test('blocks follow one another, and the size behind a kernel is no block', () => {
  const size = Buffer.from([0xff, 0xff, 0xff, 0x7f])
  const kernel = Buffer.concat([frame([0x10, 65], [0x10, 66]), size])
  expect(unpackLz4Legacy(kernel).toString()).toBe('AB')
})

test('what is no such frame, or points outside of itself, is refused', () => {
  expect(() => unpackLz4Legacy(Buffer.from('not LZ4 at all'))).toThrow(RangeError)
  expect(() => unpackLz4Legacy(frame([0x10, 65, 9, 0, 0x00]))).toThrow(RangeError)
  expect(() => unpackLz4Legacy(frame([0x50, 65]))).toThrow(RangeError)
})
