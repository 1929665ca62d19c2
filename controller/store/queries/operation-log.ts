import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import type { Window } from './page.ts'

/** An entry of an operation's log as it is listed. `detail` depends on `kind`; of a `call` it is a `CallRecord`. */
export type LogEntryView = Awaited<ReturnType<typeof logPage>>['items'][number]

/** One part of the log of an operation, oldest first. */
export async function logPage(reader: Reader, operation: string, window: Window) {
  const query = reader
    .selectFrom('operationLog')
    .where('operationId', '=', operation)
    .select(['seq', 'at', 'kind', 'step', 'node', 'fence'])
    .select((eb) => eb.ref('detail').$castTo<Readonly<Record<string, unknown>>>().as('detail'))
  return await listed(query.orderBy('seq'), window)
}
