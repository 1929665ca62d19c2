import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { hasDied, nodeIdentity } from './node-identity.ts'

/** The identity of another process of this machine, as it would have named itself. */
function identityOf(pid: number | undefined, tick = '1'): string {
  return [...nodeIdentity().split('/').slice(0, 2), pid, tick].join('/')
}

test('this process has an identity, always the same, and has not died', () => {
  expect(nodeIdentity()).toBe(nodeIdentity())
  expect(hasDied(nodeIdentity())).toBe(false)
})

test('a process that ended has died; so has one whose process id somebody else has by now', async () => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await once(child, 'exit')
  expect(hasDied(identityOf(child.pid))).toBe(true)
  expect(hasDied(identityOf(process.pid, '1'))).toBe(true)
})

test('of a process on another machine, in another boot or of an unknown form nothing is known', () => {
  const [host, , ...process] = nodeIdentity().split('/')
  expect(hasDied([host, '0123456789ab', ...process].join('/'))).toBe(false)
  expect(hasDied('something else')).toBe(false)
})
