import type { Reader } from '../store.ts'

/** Ids of the VMs of an account that run or are to run. */
export async function runningVmsOf(reader: Reader, account: string): Promise<readonly string[]> {
  const rows = await reader
    .selectFrom('vm')
    .where('accountId', '=', account)
    .where('state', 'in', ['Running', 'Starting'])
    .where('removedAt', 'is', null)
    .select('id')
    .execute()
  return rows.map(({ id }) => id)
}
