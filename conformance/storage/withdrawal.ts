import assert from 'node:assert/strict'
import { WITHDRAWALS } from '@moorage/contract'
import { failureOf, ioRefused, pattern, refused, sameBytes } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import type { StorageCase, StorageContext } from './context.ts'

/** Promises of `limits.withdrawal` and `limits.maxWriters`. */
export const withdrawalCases: readonly StorageCase[] = [
  {
    name: 'the limits say in words of the contract what a withdrawal does, and a number of writers that is one',
    needs: [],
    async run(c) {
      const { withdrawal, maxWriters } = c.provider.limits
      assert.ok(withdrawal === undefined || WITHDRAWALS.includes(withdrawal), `withdrawal ${withdrawal}`)
      assert.ok(
        maxWriters === undefined || (Number.isSafeInteger(maxWriters) && maxWriters >= 1),
        `maxWriters ${maxWriters}`,
      )
    },
  },
  {
    name: 'a consumer that let go before its withdraw is not let in again, and what it wrote stays',
    needs: ['connect'],
    async run(c) {
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const access = await c.exposed(source)
      const disk = await c.connect(access.connection)
      await disk.write(4096, pattern(1, 8192))
      await disk.close()
      await c.provider.access.withdraw(access, c.call())
      await ioRefused(c.connect(access.connection), 'a new session after the withdraw')
      sameBytes(await c.withDisk(source, (next) => next.read(4096, 8192)), pattern(1, 8192), 'what it wrote')
    },
  },
  {
    name: 'where hosts must detach, a withdraw from one that has not is either carried out or refused as BUSY, whole',
    needs: ['connect'],
    async run(c) {
      if (c.provider.limits.withdrawal !== 'host-must-detach') throw new NotApplicable('a withdrawal ends sessions')
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const access = await c.exposed(source)
      const disk = await c.connect(access.connection)
      await disk.write(0, pattern(1, 4096))
      const error = await failureOf(c.provider.access.withdraw(access, c.call()))
      if (error) {
        assert.deepEqual([error.code, error.effect], ['BUSY', 'none'])
        assert.deepEqual(await exposures(c), [access.consumer.id], 'exposures after a withdraw that was refused')
        await disk.write(0, pattern(2, 4096))
        sameBytes(await disk.read(0, 4096), pattern(2, 4096), 'the session that goes on')
        await disk.close()
        await c.provider.access.withdraw(access, c.call())
      }
      assert.deepEqual(await exposures(c), [], 'exposures after the withdraw')
      await ioRefused(c.connect(access.connection), 'a new session after the withdraw')
    },
  },
  {
    name: 'a source has as many writers as the limit says; one more is refused as LIMIT, and takes the place of one that left',
    needs: [],
    async run(c) {
      const most = c.provider.limits.maxWriters
      if (most === undefined || most > 16) throw new NotApplicable(`the limit is ${most ?? 'absent'}`)
      const source = { kind: 'volume', id: (await c.volume()).id } as const
      const writers = []
      for (let count = 0; count < most; count++) writers.push(await c.exposed(source))
      const more = c.exposure(source)
      await refused(c.provider.access.expose(more, c.call()), 'LIMIT')
      assert.equal((await exposures(c)).length, most)
      await c.exposed(source, { mode: 'ro' })
      for (const writer of writers.slice(0, 1)) await c.provider.access.withdraw(writer, c.call())
      await c.provider.access.expose(more, c.call())
    },
  },
]

async function exposures(c: StorageContext): Promise<readonly string[]> {
  return (await c.ours()).flatMap((item) => (item.kind === 'exposure' ? [item.consumer] : []))
}
