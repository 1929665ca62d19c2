import type { Call, Extent, Page, Source } from '@moorage/contract'
import { type ChangeRange, exists, newChangeLists } from '@moorage/files'
import { missing } from './failures.ts'
import { recordAt } from './objects.ts'
import { fileOf, look, type Pool, recordOf } from './pool.ts'

/** `changeList.extents` of one pool. */
export function newChangeList(pool: Pool): (range: ChangeRange, call: Call) => Promise<Page<Extent>> {
  const extents = newChangeLists(async (id) => {
    const source: Source = { kind: 'snapshot', id }
    const path = fileOf(pool, source)
    if (!(await exists(path))) throw missing(source)
    return { path, volume: (await recordAt(recordOf(pool, source))).volume ?? '' }
  })
  return (range, call) => look(pool, { call }, () => extents(range, call))
}
