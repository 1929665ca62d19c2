import { inWords } from '../domain/size.ts'
import type { HostCharge } from './charges.ts'
import type { HostLedger } from './facts.ts'

/** Whether a host has room for what it is to throttle, with both sides of the comparison that fails, or else of the IOPS. */
export interface HostRoom {
  readonly passed: boolean
  readonly text: string
  readonly numbers: {
    readonly needed?: number
    readonly available?: number
    readonly limit?: number
    readonly unit?: 'IOPS' | 'bytes per second'
  }
}

/** Judges a charge against what is left of cap x factor of a host. Without a ledger, or a cap, everything fits. Pure. */
export function hostRoom(ledger: HostLedger | undefined, charge: HostCharge): HostRoom {
  if (!ledger) return { passed: true, text: 'the host is chosen later', numbers: {} }
  const iops = side({ cap: ledger.capIops, factor: ledger.factor, taken: ledger.chargedIops, needed: charge.iops })
  const rate = side({ cap: ledger.capRate, factor: ledger.factor, taken: ledger.chargedRate, needed: charge.rate })
  if (rate && !rate.passed) {
    const { passed, needed, available, limit } = rate
    const text = `needs ${inWords(needed)}/s, the host has ${inWords(available)}/s of ${inWords(limit)}/s`
    return { passed, text, numbers: { needed, available, limit, unit: 'bytes per second' } }
  }
  if (!iops) return { passed: true, text: 'no limit', numbers: {} }
  const { passed, needed, available, limit } = iops
  const text = `needs ${needed} IOPS, the host has ${available} of ${limit}`
  return { passed, text, numbers: { needed, available, limit, unit: 'IOPS' } }
}

function side(of: {
  readonly cap: number | undefined
  readonly factor: number
  readonly taken: number
  readonly needed: number
}) {
  if (of.cap === undefined) return undefined
  const limit = Math.floor(of.cap * of.factor)
  const available = Math.max(0, limit - of.taken)
  return { passed: of.needed <= available, needed: of.needed, available, limit }
}
