import { type Amounts, exceeds, type Limited } from '../domain/limits.ts'
import { Refusal } from '../domain/failures.ts'
import { amountsOf, limitsOf, lockLimitOwners } from '../store/limits.ts'
import type { Tx } from '../store/store.ts'

/**
 * Checks that an account may have so much more, by its own limits and those of the domains above it. Call it in the
 * transaction that records what is added: until that ends, nobody else is told that there is room. Throws `Refusal`
 * `ALLOCATION` with limit, current and requested amount.
 */
export async function checkLimits(tx: Tx, account: string, more: Amounts): Promise<void> {
  const concerned = (await limitsOf(tx, account)).filter(({ limited }) => (more[limited] ?? 0) > 0)
  if (concerned.length === 0) return
  await lockLimitOwners(
    tx,
    concerned.map(({ ownerId }) => ownerId),
  )
  for (const limit of concerned) {
    const { limited, most } = limit
    const current = (await amountsOf(tx, limit))[limited]
    const why = exceeds(limited, limit, { most, current, more: more[limited] ?? 0 })
    if (why !== undefined) throw new Refusal('ALLOCATION', why)
  }
}

/**
 * How much more of one kind an account may have, by its own limits and those of the domains above it; `Infinity` without any.
 * As with `checkLimits`, nobody else is told of the same room until the transaction ends. Throws likewise where there is none.
 */
export async function roomFor(tx: Tx, account: string, kind: Limited): Promise<number> {
  await checkLimits(tx, account, { [kind]: 1 })
  let room = Infinity
  for (const limit of await limitsOf(tx, account)) {
    if (limit.limited === kind) room = Math.min(room, limit.most - (await amountsOf(tx, limit))[kind])
  }
  return room
}
