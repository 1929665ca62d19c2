import { randomUUID } from 'node:crypto'
import type { Call, Connection, HostId, MoverReport, MoverTask, Protocol } from '@moorage/contract'
import { login, logout, readConnection } from '../array/sessions.ts'
import type { Fields } from '../check.ts'
import type { Fault } from '../faults.ts'
import type { Store } from '../store.ts'

/** Protocols of sources and targets: what simulated arrays speak. */
export const ACCEPTS: readonly Protocol[] = ['iscsi']
/** Name under which the mover logs in. */
const INITIATOR = 'iqn.2025-01.io.moorage.simulator:mover'

/** One call to the mover. */
export interface MoverRequest {
  readonly store: Store
  readonly args: Fields
  readonly call: Call
  /** A fault on command that makes a job fail, by its task: armed for the method `mover/work`. */
  befalls(task: MoverTask): Pick<Fault, 'kind' | 'code'> | undefined
}

/** Method `mover/report`. Archives are the simulator's own, whatever the plug-in. */
export function reportMover({ store }: MoverRequest): MoverReport {
  store.run(`INSERT INTO meta VALUES ('mover', ?) ON CONFLICT DO NOTHING`, randomUUID())
  const row = store.one<{ value: HostId }>(`SELECT value FROM meta WHERE name = 'mover'`)
  if (!row) throw new Error('the data folder has no id of its mover')
  const archives = ['directory', 's3']
  return { id: row.value, initiator: INITIATOR, accepts: ACCEPTS, archives, version: 'simulator 1' }
}

/**
 * Does something in a session of the mover's own, whoever the connection was made for: `DENIED` where the array does not
 * admit the mover, or no longer.
 */
export function withSession<Result>(
  store: Store,
  { connection, name }: { readonly connection: Connection; readonly name: string },
  use: (session: string) => Result,
): Result {
  const session = login(store, { ...readConnection(connection, name), initiator: INITIATOR })
  try {
    return use(session)
  } finally {
    logout(store, session)
  }
}
