import { expect, test } from 'vitest'
import { KeyedLock } from './keyed-lock.ts'

const soon = () => ({ deadline: Date.now() + 5000 })

test('work on one key takes turns in the order of asking, work on another does not wait', async () => {
  const lock = new KeyedLock()
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = lock.run('a', soon(), async () => {
    await gate.promise
    order.push('a1')
  })
  const second = lock.run('a', soon(), async () => order.push('a2'))
  await lock.run('b', soon(), async () => order.push('b'))
  expect(lock.heldKeys()).toEqual(['a'])
  gate.resolve()
  await Promise.all([first, second])
  expect(order).toEqual(['b', 'a1', 'a2'])
  expect(lock.heldKeys()).toEqual([])
})

test('a failure passes the turn on', async () => {
  const lock = new KeyedLock()
  const failing = lock.run('a', soon(), () => Promise.reject(new Error('no')))
  const next = lock.run('a', soon(), async () => 'done')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('done')
})

test('whoever cannot wait any longer is told so, and those behind keep their turn', async () => {
  const lock = new KeyedLock()
  const gate = Promise.withResolvers<void>()
  const first = lock.run('a', soon(), () => gate.promise)
  const hasty = lock.run('a', { deadline: Date.now() + 10 }, async () => 'never')
  const patient = lock.run('a', soon(), async () => 'done')
  await expect(hasty).rejects.toMatchObject({ code: 'BUSY', effect: 'none' })
  gate.resolve()
  await first
  expect(await patient).toBe('done')
  expect(lock.heldKeys()).toEqual([])
})
