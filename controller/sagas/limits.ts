import { type Amounts, exceeds } from '../domain/limits.ts'
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
