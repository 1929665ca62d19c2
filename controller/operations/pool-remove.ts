import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { POOL_MACHINE } from '../domain/pool.ts'
import { volumeDelete } from '../sagas/volume-delete.ts'
import { forgetWays } from '../store/pool-reach.ts'
import { lockPool, updatePool } from '../store/pools.ts'
import { poolStanding } from '../store/queries/standing.ts'
import type { Tx } from '../store/store.ts'
import { endedWell } from './await.ts'
import { certain } from './certain.ts'
import { type By, carriedOut, note, submit } from './submit.ts'

/** Which pool to remove. `forced`: delete the volumes in state Destroy that live there, and wait for that, first. */
export interface PoolRemoval {
  readonly pool: string
  readonly forced: boolean
}

/**
 * Forgets a pool; nothing on the array is touched. Only from Maintenance or Disabled, and only when neither a volume nor
 * a snapshot lives there. Callers are operators.
 */
export async function removePool(by: By, { pool: id, forced }: PoolRemoval): Promise<void> {
  if (forced) await endedWell(by.system, await deleteDestroyed(by, id))
  await by.system.store.transact(async (tx) => {
    certain(await lockPool(tx, id), 'id')
    const pool = await removable(tx, id)
    if (pool.volumes > 0)
      throw new Refusal('INVALID', `Storage pool ${pool.name} cannot be deleted: ${contents(pool)} there`)
    if (pool.snapshots > 0)
      throw new Refusal('INVALID', `Storage pool ${pool.name} cannot be deleted: it holds ${pool.snapshots} snapshots`)
    await updatePool(tx, id, { state: pool.removed, removedAt: new Date() })
    await forgetWays(tx, { pool: id })
    await note(tx, by, {
      type: 'STORAGE.POOL.DELETE',
      description: `Removed storage pool ${pool.name}`,
      resource: { kind: 'StoragePool', id },
    })
  })
}

async function removable(tx: Tx, id: string) {
  const pool = certain(await poolStanding(tx, id), 'id')
  return { ...pool, removed: next(POOL_MACHINE, pool.state, { event: 'Remove', of: `Storage pool ${pool.name}` }) }
}

function contents(pool: { readonly volumes: number; readonly destroyed: readonly string[] }): string {
  const destroyed = pool.destroyed.length
  const live = pool.volumes - destroyed
  if (live > 0) return `${live} volumes live`
  return `${destroyed} destroyed volumes still live (forced=true deletes them)`
}

async function deleteDestroyed(by: By, id: string): Promise<readonly string[]> {
  return await carriedOut(by, async (tx) => {
    const pool = await removable(tx, id)
    if (pool.volumes > pool.destroyed.length)
      throw new Refusal('INVALID', `Storage pool ${pool.name} cannot be deleted: ${contents(pool)} there`)
    const operations: string[] = []
    for (const volume of pool.destroyed)
      operations.push(
        await submit(tx, by, {
          command: 'deleteStoragePool',
          head: volumeDelete,
          input: { volume },
          event: {
            type: 'VOLUME.DELETE',
            description: `Deleting a destroyed volume of storage pool ${pool.name}`,
            resource: { kind: 'Volume', id: volume },
          },
        }),
      )
    return operations
  })
}
