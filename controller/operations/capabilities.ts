import { PluginError, type StorageCapability } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import type { System } from './context.ts'

/** The facets of a pool's provider. None for a pool that is gone, or whose plug-in cannot be used here. */
export async function capabilitiesOf(system: System, pool: string): Promise<ReadonlySet<StorageCapability>> {
  try {
    return (await system.plugins.pool(pool)).can
  } catch (error) {
    if (error instanceof Refusal || error instanceof PluginError) return new Set()
    throw error
  }
}

/** Which of the pools have the facet. Nulls, which stand for no pool, have none. */
export async function poolsThatCan(
  system: System,
  capability: StorageCapability,
  pools: readonly (string | null)[],
): Promise<ReadonlySet<string>> {
  const ids = [...new Set(pools.filter((id) => id !== null))]
  const able = await Promise.all(
    ids.map(async (id) => ((await capabilitiesOf(system, id)).has(capability) ? [id] : [])),
  )
  return new Set(able.flat())
}
