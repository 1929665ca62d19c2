import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { missingFromLock } from './lock.ts'
import { ROOT } from './suites.ts'

test('the lock file has an entry for every dependency that it names, so that npm ci installs it anywhere', () => {
  expect(missingFromLock(readFileSync(`${ROOT}/package-lock.json`, 'utf8'))).toEqual([])
})

test('a dependency without an entry is found, and one that lies further out is not missed', () => {
  const lock = (packages: object) => JSON.stringify({ packages })
  const a = { optionalDependencies: { b: '1.0.0' } }
  expect(missingFromLock(lock({ 'node_modules/a': a }))).toEqual(['node_modules/a needs b'])
  expect(missingFromLock(lock({ 'node_modules/a': a, 'node_modules/b': {} }))).toEqual([])
  expect(missingFromLock(lock({ 'node_modules/a': a, 'node_modules/a/node_modules/b': {} }))).toEqual([])
  expect(missingFromLock(lock({ 'node_modules/c/node_modules/a': a, 'node_modules/c/node_modules/b': {} }))).toEqual([])
  expect(missingFromLock(lock({ 'node_modules/a': a, 'node_modules/c/node_modules/b': {} }))).toHaveLength(1)
})
