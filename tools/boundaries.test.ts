import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { RULES } from './rules/all.ts'
import { readTree, sourceOf } from './source.ts'
import { expectNone } from './testing.ts'

const tree = readTree(fileURLToPath(new URL('..', import.meta.url)))

describe('each rule of the house is kept by the whole tree', () => {
  test.each(RULES.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    expectNone(
      tree.flatMap((file) => rule.check(file)),
      rule.instead,
    )
  })
})

describe('each rule of the house can fail, and does not fail where it should not', () => {
  test.each(RULES.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    for (const { path, text } of rule.broken) {
      expect(rule.check(sourceOf(path, text)), `found nothing in: ${text}`).not.toEqual([])
    }
    for (const { path, text } of rule.kept) {
      expect(rule.check(sourceOf(path, text)), `found something in: ${text}`).toEqual([])
    }
  })
})
