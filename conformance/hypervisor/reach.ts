import assert from 'node:assert/strict'
import type { Reach } from '@moorage/contract'
import { failureOf } from '../check.ts'
import { NotApplicable } from '../runner.ts'
import type { HypervisorCase, HypervisorContext } from './context.ts'

/** A portal at which nobody listens: port 1 of the loopback, which no array uses. */
const NOBODY = { via: 'iscsi', portals: ['127.0.0.1:1'] } as const

/** Promises of `reach`. */
export const reachCases: readonly HypervisorCase[] = [
  {
    name: 'a host says that it gets to where its disks come from, as often as it is asked',
    needs: ['reach'],
    async run(c) {
      const there = await reachOfDisk(c)
      for (const _ of [1, 2]) assert.deepEqual(await c.facet('reach').prepare(there, c.call()), { reached: true })
    },
  },
  {
    name: 'one way to a pool that leads there is enough',
    needs: ['reach'],
    async run(c) {
      const { portals } = await reachOfDisk(c)
      const answer = await c
        .facet('reach')
        .prepare({ via: 'iscsi', portals: [...NOBODY.portals, ...portals] }, c.call())
      assert.deepEqual(answer, { reached: true })
    },
  },
  {
    name: 'that a host does not get to a pool is an answer with its reason, no error',
    needs: ['reach'],
    async run(c) {
      iscsiOnly(c)
      const asked = c.facet('reach').prepare(NOBODY, c.call())
      assert.equal(await failureOf(asked), undefined, 'it is an error')
      const answer = await asked
      assert.ok(!answer.reached, 'the host says that it gets there')
      assert.ok(answer.why.length > 0, 'no reason')
    },
  },
]

/** How the host gets to where a new disk of the bench comes from. */
async function reachOfDisk(c: HypervisorContext): Promise<Extract<Reach, { readonly via: 'iscsi' }>> {
  iscsiOnly(c)
  const { connection } = await c.disk()
  if (connection.via !== 'iscsi') throw new NotApplicable(`disks of the bench come over ${connection.via}`)
  return { via: 'iscsi', portals: [connection.portal] }
}

function iscsiOnly(c: HypervisorContext): void {
  if (!c.adapter.accepts.includes('iscsi')) throw new NotApplicable('the host does not accept iSCSI')
}
