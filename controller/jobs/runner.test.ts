import { PluginError } from '@moorage/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Tx } from '../store/store.ts'
import type { TestStore } from '../store/testing.ts'
import { testStore } from '../store/testing.ts'
import type { Runner } from './runner.ts'
import { saga } from './saga.ts'
import type { SagaDefinition } from './saga.ts'
import { begin, operation, story, submission, testRunner, until } from './testing/runner.ts'

let store: TestStore
beforeAll(async () => {
  store = await testStore()
})
afterAll(() => store.close())

async function withRunner(
  sagas: readonly SagaDefinition<Tx>[],
  use: (runner: Runner<Tx>) => Promise<void>,
  options: Parameters<typeof testRunner>[2] = {},
): Promise<void> {
  const runner = await testRunner(store, sagas, options)
  try {
    await use(runner)
  } finally {
    await runner.stop({ graceMs: 100 })
  }
}

const head = (name: string) => ({ name, version: 1, lane: 'access' as const })

describe('an operation that goes well', () => {
  test('runs its steps in order, each seeing the results before it, and ends with its record', async () => {
    const seen: unknown[] = []
    const sums = saga<{ readonly a: number }, Tx>(head('sums'))
      .step('double', { run: async ({ input }) => input.a * 2, undo: async () => {} })
      .step('addFive', { decide: async (_tx, { double }) => double + 5 })
      .build({ succeeded: async (_tx, all) => void seen.push(all) })
    await withRunner([sums], async (runner) => {
      const id = await begin(store, runner, submission(sums, { a: 4 }))
      expect(await runner.ended(id, 5_000)).toBe(true)
      expect(seen).toEqual([{ input: { a: 4 }, double: 8, addFive: 13 }])
      expect(await operation(store, id)).toMatchObject({ state: 'succeeded', failure: null })
      expect(await story(store, id)).toEqual([
        'submitted',
        'claimed double',
        'step done double',
        'step done addFive',
        'ended',
      ])
    })
  })

  test('hands each step a key, a fence and a deadline, and logs its calls of plug-ins', async () => {
    const calls: unknown[] = []
    const once = saga<object, Tx>(head('once'))
      .step('ask', {
        run: async (_seen, { call, log }) => {
          calls.push({ key: call.key, fence: call.fence, inMs: call.deadline - Date.now() })
          log({
            target: 'pool:p',
            method: 'volumes.create',
            key: call.key,
            fence: call.fence,
            began: 1,
            ms: 2,
            outcome: 'ok',
          })
        },
        undo: async () => {},
      })
      .build()
    await withRunner([once], async (runner) => {
      const id = await begin(store, runner, submission(once, {}))
      await runner.ended(id, 5_000)
      const { fence } = await operation(store, id)
      expect(fence).toBeGreaterThan(0)
      const inMs: unknown = expect.closeTo(60_000, -3)
      expect(calls).toEqual([{ key: `${id}/ask`, fence, inMs }])
      expect(await story(store, id)).toContain('call ask')
    })
  })

  test('submitted twice under one id runs once', async () => {
    let runs = 0
    const count = saga<object, Tx>(head('count'))
      .step('count', { run: async () => void (runs += 1), undo: async () => {} })
      .build()
    await withRunner([count], async (runner) => {
      const what = submission(count, {})
      await begin(store, runner, what)
      await begin(store, runner, what)
      await runner.ended(what.id, 5_000)
      await begin(store, runner, what)
      expect(runs).toBe(1)
    })
  })

  test('that was rolled back with its caller is unknown', async () => {
    const never = saga<object, Tx>(head('never'))
      .step('x', { decide: async () => 1 })
      .build()
    await withRunner([never], async (runner) => {
      const what = submission(never, {})
      const work = store.transact(async (tx) => {
        await runner.submit(tx, what)
        throw new Error('refused')
      })
      await expect(work).rejects.toThrow('refused')
      expect(await runner.ended(what.id, 50)).toBe(false)
    })
  })
})

describe('an operation that fails', () => {
  const traced = (trace: string[], fail: { readonly at: string; readonly error: unknown }) => {
    const step = (name: string) => ({
      run: async () => {
        trace.push(`run ${name}`)
        if (name === fail.at) throw fail.error
      },
      record: async () => void trace.push(`record ${name}`),
      undo: async () => {
        trace.push(`undo ${name}`)
        return `found ${name}`
      },
      unrecord: async (_tx: Tx, _seen: unknown, { found }: { readonly found: string }) =>
        void trace.push(`unrecord ${found}`),
    })
    return saga<object, Tx>(head(`traced-${fail.at}`))
      .step('a', step('a'))
      .step('b', step('b'))
      .step('c', step('c'))
      .build({ failed: async (_tx, _input, { failure }) => void trace.push(`failed ${failure.code}`) })
  }

  test('undoes what ended and what may have started, last first', async () => {
    const trace: string[] = []
    const broken = traced(trace, { at: 'b', error: new PluginError('NO_SPACE', 'full', 'none') })
    await withRunner([broken], async (runner) => {
      const id = await begin(store, runner, submission(broken, {}))
      expect(await runner.ended(id, 5_000)).toBe(true)
      expect(trace.join(', ')).toBe(
        'run a, record a, run b, undo b, unrecord found b, undo a, unrecord found a, failed INTERNAL',
      )
      expect(await operation(store, id)).toMatchObject({
        state: 'failed',
        failure: { code: 'INTERNAL', text: 'It failed.' },
      })
    })
  })

  test('undoes nothing of a decision that threw, for it left nothing', async () => {
    const undone: string[] = []
    const decided = saga<object, Tx>(head('decided'))
      .step('a', { decide: async () => 1, unrecord: async () => void undone.push('a') })
      .step('b', { decide: () => Promise.reject(new Error('no')), unrecord: async () => void undone.push('b') })
      .build()
    await withRunner([decided], async (runner) => {
      await runner.ended(await begin(store, runner, submission(decided, {})), 5_000)
      expect(undone).toEqual(['a'])
    })
  })

  test('for a reason that passes is tried again until it goes', async () => {
    let tries = 0
    const shy = saga<object, Tx>(head('shy'))
      .step('ask', {
        run: async (_seen, { attempt }) => {
          tries = attempt
          if (attempt < 3) throw new PluginError('BUSY', 'not now', 'none')
        },
        undo: async () => {},
      })
      .build()
    await withRunner([shy], async (runner) => {
      const id = await begin(store, runner, submission(shy, {}))
      expect(await runner.ended(id, 10_000)).toBe(true)
      expect(tries).toBe(3)
      expect(await story(store, id)).toEqual([
        'submitted',
        'claimed ask',
        'retry ask',
        'retry ask',
        'step done ask',
        'ended',
      ])
    })
  })

  test('because the database is out of reach while its call reads from it is tried again', async () => {
    let tries = 0
    const cut = saga<object, Tx>(head('cut'))
      .step('ask', {
        run: async () => {
          tries += 1
          // As a connection ends when its server is killed.
          if (tries < 3) throw Object.assign(new Error('terminating connection'), { code: '57P02' })
          return tries
        },
        undo: async () => {},
      })
      .build()
    await withRunner([cut], async (runner) => {
      const id = await begin(store, runner, submission(cut, {}))
      expect(await runner.ended(id, 10_000)).toBe(true)
      expect(await operation(store, id)).toMatchObject({ state: 'succeeded', failure: null })
      expect(tries).toBe(3)
    })
  })

  test('for a reason that passes, but does not within the patience, is undone', async () => {
    const stuck = saga<object, Tx>(head('stuck'))
      .step('ask', { run: () => Promise.reject(new PluginError('UNAVAILABLE', 'gone', 'none')), undo: async () => {} })
      .build()
    const patience = { patienceMs: 300 }
    await withRunner(
      [stuck],
      async (runner) => {
        const id = await begin(store, runner, submission(stuck, {}))
        expect(await runner.ended(id, 10_000)).toBe(true)
        expect((await operation(store, id)).state).toBe('failed')
      },
      patience,
    )
  })

  test('is undone however often the undoing fails', async () => {
    let undos = 0
    const clinging = saga<object, Tx>(head('clinging'))
      .step('ask', {
        run: () => Promise.reject(new PluginError('INVALID', 'no', 'possible')),
        undo: async () => {
          undos += 1
          if (undos < 3) throw new PluginError('INTERNAL', 'still no', 'possible')
        },
      })
      .build()
    await withRunner([clinging], async (runner) => {
      const id = await begin(store, runner, submission(clinging, {}))
      expect(await runner.ended(id, 10_000)).toBe(true)
      expect(undos).toBe(3)
    })
  })

  test('because a call overstays its deadline is undone, though the call never returns', async () => {
    const asleep = saga<object, Tx>(head('asleep'))
      .step('ask', { run: () => new Promise<void>(() => {}), undo: async () => {} })
      .build()
    await withRunner(
      [asleep],
      async (runner) => {
        const id = await begin(store, runner, submission(asleep, {}))
        expect(await runner.ended(id, 15_000)).toBe(true)
        const internal: unknown = expect.stringContaining('no progress')
        expect(await operation(store, id)).toMatchObject({ state: 'failed', failure: { internal } })
      },
      { stepDeadlineMs: 50, patienceMs: 0 },
    )
  }, 20_000)
})

describe('an operation that was asked to stop', () => {
  test('hears it in its call, undoes, and ends aborted', async () => {
    const undone: string[] = []
    const long = saga<object, Tx>(head('long'))
      .step('wait', {
        run: (_seen, { call }) =>
          new Promise<void>((_resolve, reject) => {
            call.signal.addEventListener('abort', () => reject(new PluginError('TIMEOUT', 'cut off', 'possible')))
          }),
        undo: async () => void undone.push('wait'),
      })
      .build()
    await withRunner([long], async (runner) => {
      const id = await begin(store, runner, submission(long, {}))
      await until('it runs', async () => (await operation(store, id)).state === 'running')
      await runner.abort(id)
      expect(await runner.ended(id, 5_000)).toBe(true)
      expect(await operation(store, id)).toMatchObject({ state: 'aborted', failure: { code: 'ABORTED' } })
      expect(undone).toEqual(['wait'])
    })
  })

  test('while it waits behind another ends at once, without a step', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const trace: string[] = []
    const gated = saga<{ readonly name: string }, Tx>(head('gated'))
      .step('wait', {
        run: async ({ input }) => {
          trace.push(input.name)
          await gate
        },
        undo: async () => {},
      })
      .build()
    await withRunner([gated], async (runner) => {
      const first = await begin(store, runner, submission(gated, { name: 'first' }, { resources: ['volume:1'] }))
      const second = await begin(store, runner, submission(gated, { name: 'second' }, { resources: ['volume:1'] }))
      await runner.abort(second)
      expect(await runner.ended(second, 5_000)).toBe(true)
      expect(await operation(store, second)).toMatchObject({ state: 'aborted' })
      open()
      expect(await runner.ended(first, 5_000)).toBe(true)
      expect(trace).toEqual(['first'])
    })
  })
})

describe('operations that share a resource', () => {
  test('run one at a time in the order of submission, whatever their lane', async () => {
    const running = new Set<string>()
    const order: string[] = []
    const one = saga<{ readonly name: string }, Tx>(head('one'))
      .step('work', {
        run: async ({ input }) => {
          expect(running.size).toBe(0)
          running.add(input.name)
          order.push(input.name)
          await new Promise((resolve) => setImmediate(resolve))
          running.delete(input.name)
        },
        undo: async () => {},
      })
      .build()
    await withRunner([one], async (runner) => {
      const ids: string[] = []
      for (const [at, lane] of (['housekeeping', 'access', 'motion', 'access'] as const).entries()) {
        const resources = ['volume:2', `other:${at}`]
        ids.push(await begin(store, runner, submission(one, { name: String(at) }, { lane, resources })))
      }
      for (const id of ids) expect(await runner.ended(id, 5_000)).toBe(true)
      expect(order).toEqual(['0', '1', '2', '3'])
    })
    expect(await store.reader.selectFrom('operationLock').selectAll().execute()).toEqual([])
    expect(await store.reader.selectFrom('operationWait').selectAll().execute()).toEqual([])
  })
})

describe('an operation of a saga that this release does not have', () => {
  test('is left alone, visibly, and runs where it is known', async () => {
    const known = saga<object, Tx>(head('known'))
      .step('x', { decide: async () => 1 })
      .build()
    const what = submission(known, {})
    await withRunner([known], async (knowing) => {
      await store.transact((tx) => knowing.submit(tx, { ...what, version: 2 }))
      await until('it is released', async () => (await story(store, what.id)).includes('released'))
      expect(await operation(store, what.id)).toMatchObject({ state: 'running', endedAt: null })
    })
    await store.reader
      .updateTable('operation')
      .set({ version: 1, leaseUntil: new Date(0) })
      .where('id', '=', what.id)
      .execute()
    await withRunner([known], async (runner) => {
      expect(await runner.ended(what.id, 5_000)).toBe(true)
    })
  })
})

describe('a runner that stops', () => {
  test('gives its operations back, and another goes on with them at once', async () => {
    let runs = 0
    const slow = saga<object, Tx>(head('slow'))
      .step('wait', {
        run: (_seen, { call }) => {
          runs += 1
          if (runs > 1) return Promise.resolve()
          return new Promise<void>((_resolve, reject) => {
            call.signal.addEventListener('abort', () => reject(new Error('cut off')))
          })
        },
        undo: async () => {},
      })
      .build()
    const first = await testRunner(store, [slow], { leaseMs: 60_000 })
    const id = await begin(store, first, submission(slow, {}))
    await until('it runs', async () => runs === 1)
    await first.stop({ graceMs: 10 })
    await withRunner([slow], async (second) => {
      expect(await second.ended(id, 5_000)).toBe(true)
      expect(await story(store, id)).toEqual([
        'submitted',
        'claimed wait',
        'released',
        'taken over wait',
        'step done wait',
        'ended',
      ])
    })
  })
})
