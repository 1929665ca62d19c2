import { Refusal } from '../domain/failures.ts'
import type { System } from './context.ts'

/** Which of the pools can take snapshots on their array. Pools that are gone, or whose plug-in is not loaded, cannot. */
export async function snapshotPools(system: System, pools: readonly (string | null)[]): Promise<ReadonlySet<string>> {
  const ids = new Set(pools.filter((id) => id !== null))
  const able = await Promise.all(
    [...ids].map(async (id) => {
      try {
        return (await system.plugins.pool(id)).can.has('snapshots') ? [id] : []
      } catch (error) {
        if (error instanceof Refusal) return []
        throw error
      }
    }),
  )
  return new Set(able.flat())
}
