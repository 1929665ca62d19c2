import { expect, test } from 'vitest'
import { COMMANDS } from './registry.ts'
import { unansweredNames } from './unanswered.ts'

test('what is not answered is listed once, and is not answered', () => {
  const names = unansweredNames()
  expect(new Set(names).size).toBe(names.length)
  const answered = new Set(COMMANDS.map(({ name }) => name))
  expect(names.filter((name) => answered.has(name))).toEqual([])
})
