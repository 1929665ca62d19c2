import { sql } from 'kysely'
import type { Database } from './generated/schema.ts'
import type { Tx } from './store.ts'

/** Whether things may be placed there. */
export type AllocationState = 'Enabled' | 'Disabled'

/** A zone to make. */
export interface NewZone {
  readonly id: string
  readonly name: string
  readonly networkType: string
  readonly allocationState: AllocationState
}
/** A pod to make. */
export interface NewPod {
  readonly id: string
  readonly zoneId: string
  readonly name: string
  readonly allocationState: AllocationState
}
/** A cluster to make. `hypervisor` as its plug-in names it. */
export interface NewCluster {
  readonly id: string
  readonly zoneId: string
  readonly podId: string
  readonly name: string
  readonly hypervisor: string
  readonly allocationState: AllocationState
}
/** What can be changed of each; absent stays as it is. */
export interface PlaceChange {
  readonly name?: string
  readonly allocationState?: AllocationState
}
/** Zones hold pods, pods hold clusters. */
export type PlaceKind = 'zone' | 'pod' | 'cluster'

/** Makes a zone. Answers false when there is one of that name. */
export async function insertZone(tx: Tx, zone: NewZone): Promise<boolean> {
  const done = await tx
    .insertInto('zone')
    .values(zone)
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst()
  return done.numInsertedOrUpdatedRows === 1n
}

/** Makes a pod. Answers false when its zone has one of that name. */
export async function insertPod(tx: Tx, pod: NewPod): Promise<boolean> {
  const done = await tx
    .insertInto('pod')
    .values(pod)
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst()
  return done.numInsertedOrUpdatedRows === 1n
}

/** Makes a cluster. Answers false when its pod has one of that name. */
export async function insertCluster(tx: Tx, cluster: NewCluster): Promise<boolean> {
  const done = await tx
    .insertInto('cluster')
    .values(cluster)
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst()
  return done.numInsertedOrUpdatedRows === 1n
}

/** A place as it stands. `zoneId` of a zone is its own id. */
export interface PlaceRow {
  readonly id: string
  readonly name: string
  readonly zoneId: string
}

/** Locks the row until the transaction ends and answers it; `undefined` when it is not there or was removed. */
export async function lockPlace(tx: Tx, kind: PlaceKind, id: string): Promise<PlaceRow | undefined> {
  const zone = kind === 'zone' ? sql.ref('id') : sql.ref('zoneId')
  const { rows } = await sql<PlaceRow>`
    select id, name, ${zone} as zone_id from ${sql.table(kind)} where id = ${id} and removed_at is null for update
  `.execute(tx)
  return rows[0]
}

/** Changes a place. Answers false, and changes nothing, when the new name is another's of its parent. */
export async function updatePlace(
  tx: Tx,
  kind: PlaceKind,
  place: PlaceChange & { readonly id: string },
): Promise<boolean> {
  const { id, ...change } = place
  if (Object.keys(change).length === 0) return true
  if (change.name !== undefined && (await isTaken(tx, kind, { id, name: change.name }))) return false
  await tx.updateTable(kind).set(change).where('id', '=', id).execute()
  return true
}

async function isTaken(
  tx: Tx,
  kind: PlaceKind,
  wanted: { readonly id: string; readonly name: string },
): Promise<boolean> {
  const table = sql.table(kind)
  const { rows } = await sql`
    select 1 from ${table} t join ${table} other on other.id <> t.id and other.removed_at is null
    where t.id = ${wanted.id} and other.name = ${wanted.name} and ${SAME_PARENT[kind]}`.execute(tx)
  return rows.length > 0
}

const SAME_PARENT = {
  zone: sql<boolean>`true`,
  pod: sql<boolean>`other.zone_id = t.zone_id`,
  cluster: sql<boolean>`other.pod_id = t.pod_id`,
} as const

/** Marks a place as removed: its name is free again. */
export async function removePlace(tx: Tx, kind: PlaceKind, id: string): Promise<void> {
  await tx
    .updateTable(kind)
    .set({ removedAt: new Date() })
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .execute()
}

/** What is in a place, each counted under its name: while any is above 0 it cannot be removed. */
export async function contentsOf(tx: Tx, kind: PlaceKind, id: string): Promise<Readonly<Record<string, number>>> {
  const inside = CONTENTS[kind].map(
    (table) => sql`(
      select count(*) from ${sql.table(table)} where ${sql.ref(`${kind}Id`)} = ${id} and removed_at is null
    ) as ${sql.id(table)}`,
  )
  const { rows } = await sql<Readonly<Record<string, number>>>`select ${sql.join(inside)}`.execute(tx)
  return rows[0] ?? {}
}

const CONTENTS = {
  zone: ['pod', 'host', 'pool', 'vm', 'volume'],
  pod: ['cluster', 'host', 'pool'],
  cluster: ['host', 'pool'],
} as const satisfies Readonly<Record<PlaceKind, readonly (keyof Database)[]>>
