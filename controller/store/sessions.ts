import { sql } from 'kysely'
import type { Reader, Tx } from './store.ts'

/** A login session. Both texts are digests of what the browser holds: a copy of the table opens nothing. */
export interface NewSession {
  readonly id: string
  readonly key: string
  readonly user: string
}

/** Begins a session. */
export async function insertSession(tx: Tx, session: NewSession): Promise<void> {
  await tx
    .insertInto('session')
    .values({ id: session.id, sessionKey: session.key, principalId: session.user })
    .execute()
}

/** The session, unless it was idle for longer. `idle` and `idleSeconds` are by the clock of the database. */
export async function findSession(reader: Reader, id: string, idleSeconds: number) {
  return await reader
    .selectFrom('session')
    .where('id', '=', id)
    .where(sql<boolean>`used_at > now() - make_interval(secs => ${idleSeconds})`)
    .select(['principalId as user', 'sessionKey as key', sql<number>`extract(epoch from now() - used_at)`.as('idle')])
    .executeTakeFirst()
}

/** Says that a session is in use. */
export async function touchSession(tx: Tx, id: string): Promise<void> {
  await tx
    .updateTable('session')
    .set({ usedAt: sql`now()` })
    .where('id', '=', id)
    .execute()
}

/** Ends a session; ending what is not there succeeds. */
export async function endSession(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('session').where('id', '=', id).execute()
}

/** Ends all sessions that were idle for longer. */
export async function endIdleSessions(tx: Tx, idleSeconds: number): Promise<void> {
  await tx
    .deleteFrom('session')
    .where(sql<boolean>`used_at <= now() - make_interval(secs => ${idleSeconds})`)
    .execute()
}
