import { expect, test } from 'vitest'
import { statusOf, TEMPLATE_MACHINE } from './template.ts'

test('a template tells its status in the words of CloudStack', () => {
  const creating = { state: 'Creating', failure: null } as const
  const half = { done: 55, total: 100, note: 'downloaded, 3 s left' }
  expect([
    statusOf(creating, undefined),
    statusOf(creating, half),
    statusOf(creating, { ...half, total: 0 }),
    statusOf(creating, { ...half, note: 'archived' }),
    statusOf({ state: 'Ready', failure: null }, undefined),
    statusOf({ state: 'Failed', failure: 'There is no such file' }, half),
  ]).toEqual([
    'Creating',
    '55% Downloaded',
    '0% Downloaded',
    'Installing Template',
    'Download Complete',
    'There is no such file',
  ])
})

test('one that has Failed is not filled any more', () => {
  expect(Object.values(TEMPLATE_MACHINE.Failed)).toEqual(['Failed'])
  expect(TEMPLATE_MACHINE.Creating).toEqual({ OperationSucceeded: 'Ready', OperationFailed: 'Failed' })
})
