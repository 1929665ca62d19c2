import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Window } from './page.ts'

/** What `listAlerts` may ask for; absent fields do not filter. */
export interface AlertFilter {
  readonly id?: string
  readonly type?: string
  readonly level?: 'WARN' | 'ERROR'
  readonly keyword?: string
}

/** Events of a level that operators should look at, whoever they belong to, newest first. */
export async function listAlerts(reader: Reader, filter: AlertFilter, window: Window) {
  let query = reader.selectFrom('event').where('level', 'in', filter.level ? [filter.level] : ['WARN', 'ERROR'])
  if (filter.id !== undefined) query = query.where('id', '=', filter.id)
  if (filter.type !== undefined) query = query.where('type', '=', filter.type)
  if (filter.keyword !== undefined) query = query.where('description', 'ilike', containing(filter.keyword))
  const selected = query.select(['id', 'type', 'level', 'description', 'createdAt'])
  return await listed(selected.orderBy('seq', 'desc'), window)
}
