import { inService } from '../domain/pool.ts'
import { poolChoices } from '../sagas/facts.ts'
import { plantSeed, uprootSeed } from '../sagas/seeding.ts'
import { poolById } from '../store/pools.ts'
import { templateNow } from '../store/queries/places.ts'
import { brokenSeeds, poolsWithoutSeed, seedsOfRemoved } from '../store/seeds.ts'
import type { Reconciler, ReconcilerDeps } from './reconciler.ts'

/** How long a seed that broke, or could not be made, stays before another is made. Seconds. */
const BROKEN_SECONDS = 3600

/**
 * A pool in which a root disk lives has a seed of its template, where the pool makes snapshots and clones: the next root disk
 * there is a clone. Seeds of templates that were removed go, and so do those that broke.
 */
export const templateSeeds: Reconciler = {
  name: 'template-seeds',
  everyMs: 60_000,
  async run(deps, turn) {
    const { store, jobs } = deps
    const over = [...(await seedsOfRemoved(store.reader)), ...(await brokenSeeds(store.reader, BROKEN_SECONDS))]
    for (const seed of over) {
      if (turn.signal.aborted) return
      await store.transact(async (tx) => uprootSeed(tx, jobs, seed))
    }
    for (const wanted of await poolsWithoutSeed(store.reader)) {
      if (turn.signal.aborted) return
      await plant(deps, wanted)
    }
  },
}

async function plant(
  deps: ReconcilerDeps,
  wanted: { readonly templateId: string; readonly poolId: string },
): Promise<void> {
  const row = await poolById(deps.store.reader, wanted.poolId)
  if (!row || !inService(row.state)) return
  const [facts] = await poolChoices(deps, [row])
  if (!facts?.can.has('snapshots') || !facts.can.has('clones')) return
  const planted = await deps.store.transact(async (tx) => {
    const template = await templateNow(tx, wanted.templateId)
    return template ? plantSeed(tx, deps.jobs, { template, pool: row.id, zone: row.zoneId }) : false
  })
  if (planted) deps.log.info({ template: wanted.templateId, pool: row.id }, 'a seed of a template is made')
}
