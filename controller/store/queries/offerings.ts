import type { Qos } from '@moorage/contract'
import type { ExpressionBuilder } from 'kysely'
import { readQos } from '../../domain/qos.ts'
import { type PerGib, readPerGib } from '../../domain/qos-terms.ts'
import type { Database, OfferingRow } from '../generated/schema.ts'
import type { Reader } from '../store.ts'
import { containing, cutPage, inOrder, type Listed, NO_LIMIT, type Window } from './page.ts'

/** What an offering list may ask for; absent fields do not filter. */
export interface OfferingFilter {
  readonly kind: 'disk' | 'service'
  readonly ids?: readonly string[]
  readonly name?: string
  readonly keyword?: string
}

/** An offering as it is listed. */
export interface OfferingView extends Omit<OfferingRow, 'qos' | 'qosPerGib'> {
  readonly qos: Qos
  readonly perGib: PerGib | undefined
}

/** A page of the offerings on sale, in the order in which they were made. */
export async function listOfferings(
  reader: Reader,
  filter: OfferingFilter,
  window: Window,
): Promise<Listed<OfferingView>> {
  const wanted = reader.selectFrom('offering').where((eb) => eb.and(conditions(eb, filter)))
  const { count, ids } = await cutPage(reader, window, {
    ids: () =>
      wanted
        .select('id')
        .orderBy('seq')
        .offset(window.offset)
        .limit(window.limit ?? NO_LIMIT)
        .execute(),
    counting: wanted.select(({ fn }) => fn.countAll<number>().as('n')),
  })
  return { count, items: await offeringRows(reader, ids) }
}

/** Offerings by id in that order, those off sale too. */
export async function offeringRows(reader: Reader, ids: readonly string[]): Promise<readonly OfferingView[]> {
  if (ids.length === 0) return []
  const rows = await reader
    .selectFrom('offering')
    .selectAll()
    .where('id', 'in', [...ids])
    .execute()
  return inOrder(ids, rows).map((row) => ({ ...row, qos: readQos(row.qos), perGib: readPerGib(row.qosPerGib) }))
}

function conditions(eb: ExpressionBuilder<Database, 'offering'>, filter: OfferingFilter) {
  const found = [eb('kind', '=', filter.kind), eb('removedAt', 'is', null)]
  if (filter.ids !== undefined) found.push(eb('id', 'in', filter.ids.length > 0 ? [...filter.ids] : [null]))
  if (filter.name !== undefined) found.push(eb('name', '=', filter.name))
  if (filter.keyword !== undefined) found.push(eb('name', 'ilike', containing(filter.keyword)))
  return found
}
