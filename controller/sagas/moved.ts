import type { BackendVolume } from '@moorage/contract'
import { connectionMoved, deleteConnection } from '../store/connections.ts'
import { leftInBin } from '../store/findings.ts'
import { updateLocation } from '../store/locations.ts'
import { moveReservation } from '../store/reservations.ts'
import type { Tx } from '../store/store.ts'
import { recordMade } from './making.ts'
import type { Moving } from './move-begin.ts'
import { type Exposed, sealedTo } from './moving.ts'

/**
 * The volume lives in the other pool from now on, with what was made there; what it left behind is in the recycle bin of the pool
 * that it came from, and keeps its room there until it is gone.
 */
export async function recordMoved(
  tx: Tx,
  what: { readonly move: Moving; readonly made: BackendVolume; readonly expose: Exposed },
): Promise<void> {
  const { move, made, expose } = what
  const { operation, plan, from, machine } = move
  const { volume, pool } = plan
  await moveReservation(tx, { volume, pool })
  await updateLocation(tx, volume, { poolId: pool, qosTier: plan.tier })
  await recordMade(tx, plan, made)
  if (!machine.carrier) await connectionMoved(tx, { volume, host: machine.host, pool }, sealedTo(expose, pool))
  await leftInBin(tx, { volume, pool: from.pool, name: from.name, bytes: from.bytes, operation })
}

/** Forgets access to what was left behind: it was withdrawn. That of a VM's host leads to the other pool by now. */
export async function forgetLeft(tx: Tx, { left }: Moving): Promise<void> {
  for (const grant of left) await deleteConnection(tx, grant)
}
