import { randomUUID } from 'node:crypto'
import type { Sealer } from './secrets.ts'
import type { Reader } from './store.ts'
import { transact } from './transact.ts'

const CHECK = 'moorage key check'

/**
 * The id of this installation, which is its ownership mark on arrays and hosts; made by the first controller that opens
 * the database. Throws when the master key is not the one under which the installation's secrets are sealed.
 */
export async function openInstallation(reader: Reader, sealer: Sealer): Promise<string> {
  const row = await transact(reader, async (tx) => {
    const found = await tx.selectFrom('installation').selectAll().executeTakeFirst()
    if (found) return found
    const id = randomUUID()
    const keyCheck = sealer.seal(`installation:${id}`, CHECK)
    await tx
      .insertInto('installation')
      .values({ id, keyCheck })
      .onConflict((oc) => oc.doNothing())
      .execute()
    return tx.selectFrom('installation').selectAll().executeTakeFirstOrThrow()
  })
  if (row.keyCheck && opens(sealer, row)) return row.id
  throw new Error(
    `the master key (id ${sealer.keyId}) is not the one this installation was made with: give every controller the same ` +
      `key file (DIR/master.key, or MOORAGE_MASTER_KEY_FILE)`,
  )
}

function opens(sealer: Sealer, row: { readonly id: string; readonly keyCheck: Buffer | null }): boolean {
  try {
    return row.keyCheck !== null && sealer.unseal(`installation:${row.id}`, row.keyCheck) === CHECK
  } catch {
    return false
  }
}
