import type { Qos } from '@moorage/contract'
import { asksNothing, type Tier, unkept, type WantedTier } from '../domain/qos.ts'
import type { HostFacts, PoolFacts } from './facts.ts'

/** Which tier enforces the vector, or why none can. */
export type TierChoice = { readonly tier: Tier } | { readonly refused: string }

/**
 * The array is preferred where the offering allows it, since it alone can keep a minimum; the hypervisor throttles where the
 * offering allows that and one of the hosts can. With no host in sight the hypervisor tier is judged when the VM starts.
 */
export function chooseTier(
  want: { readonly qos: Qos; readonly wantedTier: WantedTier },
  pool: Pick<PoolFacts, 'can' | 'limits'>,
  hosts: readonly Pick<HostFacts, 'limits'>[],
): TierChoice {
  if (asksNothing(want.qos)) return { tier: 'none' }
  if (want.wantedTier === 'none') return { refused: 'the offering sells no QoS' }
  const storage = unkept(want.qos, pool.can.has('qos') ? pool.limits.qos : undefined, 'the array')
  if (want.wantedTier !== 'hypervisor' && storage.length === 0) return { tier: 'storage' }
  if (want.wantedTier === 'storage') return { refused: storage.join('; ') }
  const hypervisor = throttleFaults(want.qos, hosts)
  if (hypervisor.length === 0) return { tier: 'hypervisor' }
  return { refused: [...(want.wantedTier === 'any' ? storage : []), ...hypervisor].join('; ') }
}

function throttleFaults(qos: Qos, hosts: readonly Pick<HostFacts, 'limits'>[]): readonly string[] {
  const faults = hosts.map(({ limits }) => unkept(qos, limits.qos, 'the hypervisor'))
  if (faults.length === 0) return unkept(qos, ANY_HYPERVISOR, 'a hypervisor')
  return faults.some((reasons) => reasons.length === 0) ? [] : (faults[0] ?? [])
}

/** What some hypervisor may do at best: a throttle never guarantees a minimum. */
const ANY_HYPERVISOR = {
  axes: ['totalIops', 'readIops', 'writeIops', 'totalBytes', 'readBytes', 'writeBytes'],
  parts: ['max', 'burst', 'burstSeconds'],
  ioBytes: 'free',
} as const
