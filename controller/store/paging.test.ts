import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keysetPage, PAGE_ROWS } from './paging.ts'

function reader(seqs: readonly number[]) {
  return async (after: number | undefined, limit: number) =>
    seqs
      .filter((seq) => after === undefined || seq > after)
      .slice(0, limit)
      .map((seq) => ({ seq }))
}

test('pages put together are the whole listing, whatever their size', async () => {
  const rowsOf = fc.uniqueArray(fc.nat(), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(rowsOf, fc.integer({ min: 1, max: 10 }), async (found, rows) => {
      const seqs = found.toSorted((a, b) => a - b)
      const read: number[] = []
      let cursor: string | undefined
      do {
        const page = await keysetPage({ cursor, rows }, reader(seqs))
        expect(page.rows.length).toBeLessThanOrEqual(rows)
        read.push(...page.rows.map(({ seq }) => seq))
        cursor = page.next
      } while (cursor !== undefined)
      expect(read).toEqual(seqs)
    }),
  )
})

test('a page has at least one row and at most the limit, whatever is asked for', async () => {
  const seqs = Array.from({ length: PAGE_ROWS.most + 10 }, (_, i) => i)
  expect((await keysetPage({ rows: 0 }, reader(seqs))).rows).toHaveLength(1)
  expect((await keysetPage({ rows: 1e9 }, reader(seqs))).rows).toHaveLength(PAGE_ROWS.most)
})

test('a cursor that no listing made is refused', async () => {
  for (const cursor of ['', 'ÿ', '-1', 'zzzzzzzzzzzz', "1' or 1"]) {
    await expect(keysetPage({ cursor }, reader([]))).rejects.toThrow(RangeError)
  }
})
