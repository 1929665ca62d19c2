import type { Verdict } from '../placement/filters.ts'
import type { Told } from '../placement/record.ts'
import { logOf } from '../store/queries/operation-log.ts'
import type { System } from './context.ts'

/** One verdict of a placement that an operation made, or was refused. Numbers in bytes, IOPS or volumes. */
export interface PlacementVerdict extends Partial<Omit<Verdict, 'passed'>> {
  readonly volume: string
  readonly placed: boolean
  readonly pool: string
  readonly name: string
  /** Numbers the pools, for those who may not know them. */
  readonly nth: number
  readonly chosen: boolean
  readonly score?: number
  readonly passed: boolean
}

/** Every verdict that an operation recorded, in the order of volumes and pools. A pool without one of its own passed all. */
export async function verdictsOf(system: System, operation: string): Promise<readonly PlacementVerdict[]> {
  const log = await logOf(system.store.reader, operation)
  const found: readonly unknown[] = log.flatMap(({ kind, detail }) =>
    kind === 'placed' ? [detail] : kind === 'undo begun' && isRecord(detail['reasons']) ? [detail['reasons']] : [],
  )
  return found.filter(isTold).flatMap(({ volume, placed, pools }) =>
    pools.flatMap(({ pool, name, chosen, verdicts, candidate }, at): readonly PlacementVerdict[] => {
      const head = { volume, placed, pool, name, nth: at + 1, chosen, ...(candidate ? { score: candidate.score } : {}) }
      return verdicts.length === 0 ? [{ ...head, passed: true }] : verdicts.map((verdict) => ({ ...head, ...verdict }))
    }),
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** Only `recorded` writes such entries: that it has its parts is enough. */
function isTold(value: unknown): value is Told & { readonly volume: string } {
  return isRecord(value) && 'volume' in value && 'placed' in value && 'pools' in value && Array.isArray(value['pools'])
}
