import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differences, parseFilefrag, type Run } from './extents.ts'

const PRINTED = `Filesystem type is: 58465342
File size of /pool/s.raw is 94208 (23 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..       1:     100822..    100823:      2:             shared
   1:        4..       4:         11..        11:      1:     100842: shared
   2:        5..       6:         12..        13:      2:             unwritten,shared
   3:       10..      10:          7..         7:      1:         14: inline
   4:       20..      31:        200..       211:     12:          8: last,eof
/pool/s.raw: 4 extents found
`

test('what filefrag prints is read, clipped to the size, without what was never written', () => {
  expect(parseFilefrag(PRINTED)).toEqual([
    { offset: 0, length: 8192, at: 100_822 * 4096 },
    { offset: 16_384, length: 4096, at: 11 * 4096 },
    { offset: 40_960, length: 4096 },
    { offset: 81_920, length: 12_288, at: 200 * 4096 },
  ])
})

test('a line that is not understood is an error, never a hole', () => {
  expect(() => parseFilefrag(PRINTED.replace('   1:        4..', '   1: what?'))).toThrow('no extent')
  expect(() => parseFilefrag('s.raw: FIBMAP unsupported\n')).toThrow('no size')
})

/** A file as the block that each place of it lies on; 0: a hole. */
const files = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 24, maxLength: 24 })

test('exactly those places differ that lie on other blocks, or on a block whose address cannot be relied on', () => {
  fc.assert(
    fc.property(files, files, (base, now) => {
      const expected = now.map((block, place) => {
        const was = base[place]
        if (block === 0) return was === 0 ? 'same' : 'zero'
        return block === was && block !== UNRELIABLE ? 'same' : 'data'
      })
      const found = now.map(() => 'same')
      for (const { offset, length, kind } of differences(runs(base), runs(now))) {
        for (let place = offset; place < offset + length; place++) found[place] = kind
      }
      expect(found).toEqual(expected)
    }),
  )
})

const UNRELIABLE = 3

/** Neighbours on neighbouring blocks are one run, as file systems map them. */
function runs(file: readonly number[]): readonly Run[] {
  const made: { offset: number; length: number; at?: number }[] = []
  for (const [offset, block] of file.entries()) {
    const last = made.at(-1)
    const at = block === UNRELIABLE ? undefined : block * 1000 + offset
    const joins = last && last.offset + last.length === offset && last.at !== undefined && at === last.at + last.length
    if (block === 0) continue
    if (joins) last.length++
    else made.push({ offset, length: 1, ...(at === undefined ? {} : { at }) })
  }
  return made
}
