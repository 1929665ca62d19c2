import { mean } from '../guest.ts'

/** What was sold on one axis; operations per second, and seconds for which the burst may be used. */
export interface Sold {
  readonly max: number
  readonly burst: number
  readonly burstSeconds: number
}

/** What a load got while it used a burst to its end. */
export interface Measured {
  readonly what: string
  readonly measured: number
  readonly sold: number
}

/** Samples of about a second that are left out around the end of the burst: one of them holds it. */
const BORDER = 1
const SUSTAINED_SAMPLES = 4

/**
 * What came of a burst and of the rest after it, from samples of about a second of a load that took all it could get.
 * The burst ends when its credit is used, later for a load that was slow at first: so its end is looked for, not
 * assumed. `undefined` where the samples do not hold a whole burst and enough of the rest: the load has to be run again.
 */
export function readBurst(perSecond: readonly number[], sold: Sold): readonly Measured[] | undefined {
  const between = (sold.max + sold.burst) / 2
  const end = perSecond.findIndex((rate, index) => index > 0 && rate < between && (perSecond[index + 1] ?? 0) < between)
  // The first sample also holds the start of the load.
  const burst = perSecond.slice(1, end - BORDER)
  const rest = perSecond.slice(end + BORDER)
  if (end < 0 || burst.length === 0 || rest.length < SUSTAINED_SAMPLES) return undefined
  return [
    { what: 'burst', measured: mean(burst), sold: sold.burst },
    { what: 'sustained', measured: mean(rest), sold: sold.max },
  ]
}

/** The most operations that may pass in so many seconds after a rest: the sustained rate, and the credit of one burst. */
export function mostOperations(sold: Sold, seconds: number): number {
  return sold.max * seconds + (sold.burst - sold.max) * Math.min(seconds, sold.burstSeconds)
}
