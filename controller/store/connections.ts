import type { Connection } from '@moorage/contract'
import { later } from './pipeline.ts'
import type { Reader, Store, Tx } from './store.ts'

/** Access of a host to a volume. */
export interface VolumeAccess {
  readonly volume: string
  readonly host: string
}

/** Access of a mover to a snapshot, which it reads, or to a volume, which it writes. */
export interface MoverAccess {
  readonly kind: 'volume' | 'snapshot'
  readonly source: string
  readonly mover: string
}

/** Records that the host is to get access, before the array is asked. Idempotent. */
export async function intendConnection(
  tx: Tx,
  access: VolumeAccess & { readonly pool: string; readonly generation: number },
): Promise<void> {
  const { volume, host, pool, generation } = access
  await later(
    tx
      .insertInto('connection')
      .values({
        sourceKind: 'volume',
        sourceId: volume,
        hostId: host,
        poolId: pool,
        generation,
        mode: 'rw',
        state: 'intended',
      })
      .onConflict((conflict) =>
        conflict
          .columns(['sourceKind', 'sourceId', 'hostId'])
          .doUpdateSet({ generation, state: 'intended', sealed: null }),
      ),
  )
}

/** As `intendConnection`, for a mover. */
export async function intendForMover(tx: Tx, access: MoverAccess & { readonly pool: string }): Promise<void> {
  const { kind, source, mover, pool } = access
  await later(
    tx
      .insertInto('connection')
      .values({
        sourceKind: kind,
        sourceId: source,
        consumerKind: 'mover',
        hostId: mover,
        poolId: pool,
        generation: 0,
        mode: kind === 'snapshot' ? 'ro' : 'rw',
        state: 'intended',
      })
      .onConflict((conflict) =>
        conflict.columns(['sourceKind', 'sourceId', 'hostId']).doUpdateSet({ state: 'intended', sealed: null }),
      ),
  )
}

/** The array gave the mover access. What it said is in the journal of the operation that needs it, and nowhere else. */
export async function givenToMover(tx: Tx, { kind, source, mover }: MoverAccess): Promise<void> {
  await later(
    tx
      .updateTable('connection')
      .set({ state: 'given' })
      .where('sourceKind', '=', kind)
      .where('sourceId', '=', source)
      .where('hostId', '=', mover),
  )
}

/** Forgets a mover's access that was withdrawn, or never asked for. Idempotent. */
export async function deleteOfMover(tx: Tx, { kind, source, mover }: MoverAccess): Promise<void> {
  await later(
    tx
      .deleteFrom('connection')
      .where('sourceKind', '=', kind)
      .where('sourceId', '=', source)
      .where('hostId', '=', mover),
  )
}

/** The array gave access; `sealed` is what `sealConnection` made. */
export async function connectionGiven(tx: Tx, access: VolumeAccess, sealed: string): Promise<void> {
  await later(
    tx
      .updateTable('connection')
      .set({ state: 'given', sealed: Buffer.from(sealed, 'base64') })
      .where('sourceKind', '=', 'volume')
      .where('sourceId', '=', access.volume)
      .where('hostId', '=', access.host),
  )
}

/** Marks all access to the volumes as being withdrawn. */
export async function connectionsWithdrawing(tx: Tx, volumes: readonly string[]): Promise<void> {
  if (volumes.length === 0) return
  await later(
    tx
      .updateTable('connection')
      .set({ state: 'withdrawing' })
      .where('sourceKind', '=', 'volume')
      .where('sourceId', 'in', [...volumes]),
  )
}

/** Marks one host's access to the volumes as being withdrawn. */
export async function connectionsWithdrawingAt(tx: Tx, host: string, volumes: readonly string[]): Promise<void> {
  if (volumes.length === 0) return
  await tx
    .updateTable('connection')
    .set({ state: 'withdrawing' })
    .where('sourceKind', '=', 'volume')
    .where('sourceId', 'in', [...volumes])
    .where('hostId', '=', host)
    .execute()
}

/** A host's access to a volume leads to another pool now, where it was given; `sealed` is what `sealConnection` made. */
export async function connectionMoved(
  tx: Tx,
  access: VolumeAccess & { readonly pool: string },
  sealed: string,
): Promise<void> {
  await later(
    tx
      .updateTable('connection')
      .set({ poolId: access.pool, state: 'given', sealed: Buffer.from(sealed, 'base64') })
      .where('sourceKind', '=', 'volume')
      .where('sourceId', '=', access.volume)
      .where('hostId', '=', access.host),
  )
}

/** Forgets access that was withdrawn. Idempotent. */
export async function deleteConnection(tx: Tx, access: VolumeAccess & { readonly pool: string }): Promise<void> {
  await later(
    tx
      .deleteFrom('connection')
      .where('sourceKind', '=', 'volume')
      .where('sourceId', '=', access.volume)
      .where('hostId', '=', access.host)
      .where('poolId', '=', access.pool),
  )
}

/** Forgets access that was recorded as intended and not asked for. Idempotent. */
export async function deleteIntended(tx: Tx, access: VolumeAccess): Promise<void> {
  await later(
    tx
      .deleteFrom('connection')
      .where('sourceKind', '=', 'volume')
      .where('sourceId', '=', access.volume)
      .where('hostId', '=', access.host)
      .where('state', '=', 'intended'),
  )
}

/** Forgets all access to the volume: it was withdrawn, or never given. */
export async function deleteConnectionsTo(tx: Tx, volume: string): Promise<void> {
  await later(tx.deleteFrom('connection').where('sourceKind', '=', 'volume').where('sourceId', '=', volume))
}

/** The connection of access that was given, sealed as `sealConnection` does; `undefined` when none is recorded. */
export async function sealedOf(reader: Reader, access: VolumeAccess): Promise<string | undefined> {
  const row = await reader
    .selectFrom('connection')
    .select('sealed')
    .where('sourceKind', '=', 'volume')
    .where('sourceId', '=', access.volume)
    .where('hostId', '=', access.host)
    .where('state', '=', 'given')
    .executeTakeFirst()
  return row?.sealed?.toString('base64')
}

/** Which hosts have, or may have, access to the volumes, with the names under which they log in. */
export async function connectionsTo(
  reader: Reader,
  volumes: readonly string[],
): Promise<readonly (VolumeAccess & { readonly pool: string; readonly initiator: string })[]> {
  if (volumes.length === 0) return []
  return reader
    .selectFrom('connection')
    .innerJoin('host', 'host.id', 'connection.hostId')
    .select([
      'connection.sourceId as volume',
      'connection.hostId as host',
      'connection.poolId as pool',
      'host.initiator',
    ])
    .where('sourceKind', '=', 'volume')
    .where('sourceId', 'in', [...volumes])
    .orderBy('sourceId')
    .orderBy('hostId')
    .execute()
}

/** VMs that are stopped while a host still has, or may have, access to one of their volumes. */
export async function vmsWithStaleAccess(
  reader: Reader,
): Promise<readonly { readonly id: string; readonly accountId: string }[]> {
  return reader
    .selectFrom('vm')
    .innerJoin('attachment', 'attachment.vmId', 'vm.id')
    .innerJoin('connection', 'connection.sourceId', 'attachment.volumeId')
    .select(['vm.id', 'vm.accountId'])
    .distinct()
    .where('connection.sourceKind', '=', 'volume')
    .where('connection.consumerKind', '=', 'host')
    .where('vm.state', 'in', ['Stopped', 'Destroyed'])
    .where('vm.removedAt', 'is', null)
    .execute()
}

/** VMs that run while another host than theirs still has, or may have, access to one of their volumes: what a migration left. */
export async function accessLeftBehind(
  reader: Reader,
): Promise<readonly { readonly id: string; readonly accountId: string; readonly host: string }[]> {
  return reader
    .selectFrom('vm')
    .innerJoin('attachment', 'attachment.vmId', 'vm.id')
    .innerJoin('connection', 'connection.sourceId', 'attachment.volumeId')
    .select(['vm.id', 'vm.accountId', 'connection.hostId as host'])
    .distinct()
    .where('connection.sourceKind', '=', 'volume')
    .where('connection.consumerKind', '=', 'host')
    .where('connection.state', '=', 'withdrawing')
    .where('vm.state', '=', 'Running')
    .where('vm.operationId', 'is', null)
    .whereRef('connection.hostId', '<>', 'vm.hostId')
    .execute()
}

/** Seals a connection, which may hold CHAP secrets, so that it can stand in a row or a journal. Base64. */
export function sealConnection(store: Store, access: VolumeAccess, connection: Connection): string {
  return store.seal(contextOf(access), JSON.stringify(connection)).toString('base64')
}

/** Opens what `sealConnection` made for the same volume and host. */
export function unsealConnection(store: Store, access: VolumeAccess, sealed: string): Connection {
  // Only `sealConnection` seals under this context, and the seal is authenticated.
  return JSON.parse(store.unseal(contextOf(access), Buffer.from(sealed, 'base64'))) as Connection
}

/** As `sealConnection`, for a mover. */
export function sealForMover(store: Store, access: MoverAccess, connection: Connection): string {
  return store.seal(moverContext(access), JSON.stringify(connection)).toString('base64')
}

/** Opens what `sealForMover` made for the same source and mover. */
export function unsealForMover(store: Store, access: MoverAccess, sealed: string): Connection {
  // Only `sealForMover` seals under this context, and the seal is authenticated.
  return JSON.parse(store.unseal(moverContext(access), Buffer.from(sealed, 'base64'))) as Connection
}

function moverContext({ kind, source, mover }: MoverAccess): string {
  return `connection:${kind}:${source}:mover:${mover}`
}

function contextOf({ volume, host }: VolumeAccess): string {
  return `connection:volume:${volume}:${host}`
}
