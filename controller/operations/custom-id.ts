import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/failures.ts'
import type { Caller } from './context.ts'

/** What is said of an id that something has, or had. */
export const ID_TAKEN = 'Invalid parameter customid: this id is, or was, in use'

/**
 * The id of something new: the UUID that an administrator chose, in lower case, or a random one. Throws `Refusal`
 * `DENIED` when another chose it, `INVALID` for what is no UUID, and for one that is `taken`, now or in the past: ids name
 * objects on back ends for ever.
 */
export async function freshId(
  caller: Caller,
  customId: string | undefined,
  taken: (id: string) => Promise<boolean>,
): Promise<string> {
  if (customId === undefined) return randomUUID()
  if (caller.role !== 'admin')
    throw new Refusal('DENIED', 'Please check your permissions, you are not allowed to create/update custom id')
  const id = customId.toLowerCase()
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id))
    throw new Refusal('INVALID', 'Invalid parameter customid: it must be a UUID')
  if (await taken(id)) throw new Refusal('INVALID', ID_TAKEN)
  return id
}
