import { expect, test } from 'vitest'
import { Gate, KeyedLocks } from './gate.ts'

const soon = () => ({ deadline: Date.now() + 5000 })
const never = () => ({ deadline: Date.now() - 1 })

test('tasks on one key run one after the other, on different keys at the same time', async () => {
  const locks = new KeyedLocks()
  const first = Promise.withResolvers<void>()
  const log: string[] = []
  const task = (name: string, wait?: Promise<void>) => async () => {
    log.push(`${name} begins`)
    await wait
    log.push(`${name} ends`)
  }
  const all = [
    locks.run(['a'], soon(), task('one', first.promise)),
    locks.run(['a'], soon(), task('two')),
    locks.run(['b'], soon(), task('other')),
  ]
  await all[2]
  expect(log).toEqual(['one begins', 'other begins', 'other ends'])
  first.resolve()
  await Promise.all(all)
  expect(log.slice(3)).toEqual(['one ends', 'two begins', 'two ends'])
  expect(locks.isHeld('a')).toBe(false)
})

test('two tasks that want the same keys in another order do not wait for each other for ever', async () => {
  const locks = new KeyedLocks()
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, index) => locks.run(index % 2 ? ['a', 'b'] : ['b', 'a'], soon(), async () => index)),
  )
  expect(results).toHaveLength(50)
})

test('a task that waits too long is refused without effect, and those behind it still get their turn', async () => {
  const locks = new KeyedLocks()
  const first = Promise.withResolvers<void>()
  const holder = locks.run(['a'], soon(), () => first.promise)
  await expect(locks.run(['a'], never(), async () => 'ran')).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'none' })
  const behind = locks.run(['a'], soon(), async () => 'ran')
  first.resolve()
  await holder
  expect(await behind).toBe('ran')
})

test('a failing task gives its keys back', async () => {
  const locks = new KeyedLocks()
  await expect(locks.run(['a'], soon(), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await locks.run(['a'], soon(), async () => 1)).toBe(1)
})

test('a closed gate holds calls until it opens, and closing waits for those inside', async () => {
  const gate = new Gate()
  await expect(gate.pass(never(), async () => 1)).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  const waiting = gate.pass(soon(), async () => 'through')
  gate.open()
  expect(await waiting).toBe('through')

  const work = Promise.withResolvers<void>()
  const inside = gate.pass(soon(), () => work.promise)
  let closed = false
  const closing = gate.close().then(() => (closed = true))
  await expect(gate.pass(never(), async () => 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(closed).toBe(false)
  work.resolve()
  await Promise.all([inside, closing])
  expect(closed).toBe(true)
})
