import type { Reader } from '../store.ts'
import { listed } from './listed.ts'
import { containing, type Window } from './page.ts'

/** What `listResourceDetails` may ask for; absent fields do not filter. */
export interface DetailFilter {
  readonly resourceType: string
  readonly resource?: string
  readonly key?: string
  readonly value?: string
  readonly display?: boolean
  readonly keyword?: string
}

/** Details by resource and key. */
export async function listDetails(reader: Reader, filter: DetailFilter, window: Window) {
  let query = reader.selectFrom('resourceDetail').where('resourceType', '=', filter.resourceType)
  if (filter.resource !== undefined) query = query.where('resourceId', '=', filter.resource)
  if (filter.key !== undefined) query = query.where('key', '=', filter.key)
  if (filter.value !== undefined) query = query.where('value', '=', filter.value)
  if (filter.display !== undefined) query = query.where('display', '=', filter.display)
  if (filter.keyword !== undefined) query = query.where('key', 'ilike', containing(filter.keyword))
  return await listed(query.selectAll().orderBy('resourceId').orderBy('key'), window)
}
