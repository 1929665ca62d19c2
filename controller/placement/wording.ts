import { inWords } from '../domain/size.ts'
import type { FilterName, Term, Verdict } from './filters.ts'

/** What stands in the way, in words for tenants: no pool, no host. */
const OBSTACLES: Readonly<Record<FilterName, string>> = {
  state: 'a pool is not in service',
  source: 'the source lives in another pool',
  reach: 'a pool is out of reach of the virtual machine',
  protocol: 'the hypervisor does not speak the protocol of a pool',
  tags: 'a pool does not carry the tags of the disk offering',
  capability: 'a pool cannot do what is asked',
  filling: 'no data mover reaches both a pool and the secondary storage',
  qos: 'a pool cannot keep the requested QoS',
  bounds: 'a pool takes only volumes whose IOPS or bytes per second have a maximum, and the disk offering gives none',
  host: 'the host of the virtual machine has too little left for disks that it throttles',
  size: 'a pool makes no volume that large',
  slots: 'a pool has as many volumes as it can hold',
  usage: 'a pool is too full to take more',
  bytes: 'a pool has too little space left',
  iops: 'a pool has too few IOPS left',
}

/** One obstacle for tenants, of all the pools that stumble over the same filter: the numbers are those of the one that is nearest to fitting. */
export function obstacle(filter: FilterName, verdicts: readonly Verdict[]): string {
  const lacking = [...new Set(verdicts.flatMap((verdict) => verdict.lacking ?? []))]
  if (lacking.length > 0) return `${OBSTACLES[filter]}: ${lacking.join(', ')}`
  const [nearest] = verdicts.toSorted((one, other) => left(other) - left(one))
  const numbers = nearest === undefined ? '' : comparison(nearest)
  return numbers === '' ? OBSTACLES[filter] : `${OBSTACLES[filter]}: ${numbers}`
}

/** How near a verdict is to passing. */
function left(verdict: Verdict): number {
  return (verdict.available ?? verdict.limit ?? 0) - (verdict.needed ?? 0)
}

/** Both sides of a verdict's comparison, and what made the limit; empty where it compares no numbers. */
export function comparison(verdict: Verdict): string {
  const { needed, available, limit, threshold } = verdict
  if (needed === undefined || limit === undefined) return ''
  if (verdict.filter === 'usage') {
    const most = threshold === undefined ? '' : `, and new volumes are taken up to ${percent(threshold)}`
    return `${amount(verdict, needed)} of ${amount(verdict, limit)} are written${most}`
  }
  if (available === undefined) return `${amount(verdict, needed)} needed, at most ${amount(verdict, limit)} possible`
  const most = verdict.unit === 'IOPS' ? `${available}` : amount(verdict, available)
  return `${amount(verdict, needed)} needed, at most ${most} of ${amount(verdict, limit)} available${made(verdict)}`
}

/** Where the limit is not the capacity itself: the capacity, the factor and the threshold, and where those were set. */
function made(verdict: Verdict): string {
  const { cap, factor, threshold } = verdict
  if (cap === undefined) return ''
  const terms = [
    factor && factor.value !== 1 ? `overcommit factor ${factor.value}${setBy(factor)}` : undefined,
    threshold && threshold.value !== 1 ? `threshold ${percent(threshold)}` : undefined,
  ].filter((part) => part !== undefined)
  return terms.length === 0 ? '' : ` (capacity ${amount(verdict, cap)}, ${terms.join(', ')})`
}

function percent(term: Term): string {
  return `${Number((term.value * 100).toFixed(2))} %${setBy(term)}`
}

function setBy({ scope }: Term): string {
  if (scope === 'pool') return ' as set for the pool'
  if (scope === 'zone') return ' as set for the zone'
  return scope === 'global' ? ' as set for the whole installation' : ''
}

function amount({ unit }: Pick<Verdict, 'unit'>, number: number): string {
  if (unit === 'bytes') return inWords(number)
  if (unit === 'bytes per second') return `${inWords(number)} per second`
  return unit === 'IOPS' ? `${number} IOPS` : String(number)
}
