import { inWords } from '../domain/size.ts'
import type { PlacementRequest } from './facts.ts'
import type { FilterName, Verdict } from './filters.ts'
import type { Judged } from './place.ts'

/** A refusal in two wordings: `tenant` names no pool and no host, but what was needed and there is; `operator` names all. */
export interface RefusalText {
  readonly tenant: string
  readonly operator: string
}

/** Why nothing fits: for operators pool by pool, for tenants by rule, both with the smallest change that would fit if there is one. */
export function explain(request: PlacementRequest, judged: readonly Judged[]): RefusalText {
  const wanted = `a volume of ${inWords(request.bytes)}`
  if (judged.length === 0) {
    const none = `No storage pool for ${wanted}: the zone has none`
    return { tenant: none, operator: none }
  }
  const change = smallestChange(judged)
  const advice = change === undefined ? '' : `. ${change}`
  const first = Map.groupBy(
    judged.flatMap(({ verdicts }) => failed(verdicts).slice(0, 1)),
    ({ filter }) => filter,
  )
  const rules = [...first].map(([filter, verdicts]) => `${TENANT[filter]}${numbers(filter, verdicts)}`)
  return {
    tenant: `No storage pool for ${wanted}: ${rules.join('; ')}${advice}`,
    operator: `${judged.map(onePool).join(' | ')}${advice}`,
  }
}

function onePool({ name, verdicts }: Judged): string {
  return `${name}: ${failed(verdicts)
    .map(({ filter, text }) => `${filter}: ${text}`)
    .join('; ')}`
}

function failed(verdicts: readonly Verdict[]): readonly Verdict[] {
  return verdicts.filter(({ passed }) => !passed)
}

const TENANT: Readonly<Record<FilterName, string>> = {
  state: 'a pool is not in service',
  source: 'the source lives in another pool',
  reach: 'a pool is out of reach of the VM',
  protocol: 'the hypervisor does not speak the protocol of a pool',
  tags: 'a pool does not carry the tags of the disk offering',
  capability: 'a pool cannot do what is asked',
  qos: 'a pool cannot keep the requested QoS',
  size: 'a pool makes no volume that large',
  slots: 'a pool has as many volumes as it can hold',
  bytes: 'a pool has too little space left',
  iops: 'a pool has too few IOPS left',
}

/** What was needed and the most there is of it, over all pools that stumble over the same filter first. */
function numbers(filter: FilterName, verdicts: readonly Verdict[]): string {
  const lacking = [...new Set(verdicts.flatMap((verdict) => verdict.lacking ?? []))]
  if (lacking.length > 0) return `: ${lacking.join(', ')}`
  const needed = Math.min(...verdicts.map((verdict) => verdict.needed ?? 0))
  if (filter === 'iops') return `: ${needed} needed, at most ${largest(verdicts, 'available')} available`
  if (filter === 'bytes')
    return `: ${inWords(needed)} needed, at most ${inWords(largest(verdicts, 'available'))} available`
  if (filter === 'size') return `: ${inWords(needed)} needed, at most ${inWords(largest(verdicts, 'limit'))} possible`
  return ''
}

function largest(of: readonly Verdict[], side: 'available' | 'limit'): number {
  return Math.max(...of.map((verdict) => verdict[side] ?? 0))
}

/** Of the pools where one number alone stands in the way, the one that needs the least change. */
function smallestChange(judged: readonly Judged[]): string | undefined {
  const single = judged.flatMap(({ verdicts }) => {
    const [only, ...more] = failed(verdicts)
    return only && more.length === 0 ? [only] : []
  })
  const iops = single.filter(({ filter }) => filter === 'iops')
  if (iops.length > 0) return `A minimum of ${largest(iops, 'available')} IOPS would fit`
  const bytes = single.filter(({ filter }) => filter === 'bytes')
  if (bytes.length > 0) return `${inWords(largest(bytes, 'available'))} would fit`
  const sizes = single.filter(({ filter }) => filter === 'size')
  return sizes.length > 0 ? `${inWords(largest(sizes, 'limit'))} would fit` : undefined
}
