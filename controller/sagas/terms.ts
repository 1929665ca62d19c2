import { offeredQos, type OfferedQos, withDefaults } from '../domain/qos-terms.ts'
import { throttleDefaults } from '../store/configurations.ts'
import type { OfferingRow } from '../store/generated/schema.ts'
import type { Tx } from '../store/store.ts'

/**
 * The QoS on which a volume of the offering is sold today: the offering's, and the installation's default limits where the
 * hypervisor enforces. What a volume was sold stays: a later default does not reach it.
 */
export async function soldTerms(tx: Tx, offering: OfferingRow): Promise<OfferedQos> {
  const terms = offeredQos(offering)
  // Where an array may enforce, there is nothing to look up.
  if (terms.tier === 'storage' || terms.tier === 'any') return terms
  return withDefaults(terms, await throttleDefaults(tx))
}
