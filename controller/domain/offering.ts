import { QOS_AXES, type Qos, type QosRate } from '@moorage/contract'
import { Refusal } from './failures.ts'
import { asksNothing, inParameters, qosFaults, type WantedTier } from './qos.ts'

/** QoS parameters of an offering as a caller gives them; IOPS and bytes per second. Absent: not given. */
export interface QosParameters {
  readonly miniops?: number
  readonly maxiops?: number
  readonly burstiops?: number
  readonly burstseconds?: number
  /** Bytes to which IOPS are normalised. */
  readonly iosize?: number
  readonly customizediops?: boolean
  readonly qostier?: 'storage' | 'hypervisor' | 'any'
  readonly bytesreadrate?: number
  readonly bytesreadratemax?: number
  readonly bytesreadratemaxlength?: number
  readonly byteswriterate?: number
  readonly byteswriteratemax?: number
  readonly byteswriteratemaxlength?: number
  readonly iopsreadrate?: number
  readonly iopsreadratemax?: number
  readonly iopsreadratemaxlength?: number
  readonly iopswriterate?: number
  readonly iopswriteratemax?: number
  readonly iopswriteratemaxlength?: number
}

/** What an offering sells. */
export interface SoldQos {
  readonly qos: Qos
  readonly tier: WantedTier
  readonly kind: 'fixed' | 'customized'
}

/** Parameters of QoS that the array keeps. */
const STORAGE = ['miniops', 'maxiops', 'burstiops', 'burstseconds', 'iosize'] as const
/** CloudStack's hypervisor rates: name of the rate, and the axis that it limits. */
const RATES = [
  ['bytesreadrate', 'readBytes'],
  ['byteswriterate', 'writeBytes'],
  ['iopsreadrate', 'readIops'],
  ['iopswriterate', 'writeIops'],
] as const

/**
 * The vector and tier that an offering sells. Storage and hypervisor QoS exclude each other per volume, so giving
 * parameters of both is refused, naming them. CloudStack drops `miniops` and `maxiops` unless `customizediops=false` is
 * said; here they hold, and with `customizediops=true` they are what a volume gets that names no others. Throws `Refusal`
 * `INVALID`.
 */
export function soldQos(given: QosParameters): SoldQos {
  const storage = STORAGE.filter((name) => given[name] !== undefined)
  const rates = RATES.flatMap(([rate]) => [rate, `${rate}max`, `${rate}maxlength`] as const).filter(
    (name) => given[name] !== undefined,
  )
  if (storage.length > 0 && rates.length > 0)
    throw new Refusal(
      'INVALID',
      `Parameters ${storage.join(', ')} (storage QoS) and ${rates.join(', ')} (hypervisor QoS) exclude each other: a volume's QoS is enforced in one place`,
    )
  const qos: Qos = { ...vector(given), ...(given.iosize === undefined ? {} : { ioBytes: given.iosize }) }
  const [fault] = qosFaults(qos)
  if (fault !== undefined)
    throw new Refusal('INVALID', `The QoS of the offering is not possible: ${inParameters(fault)}`)
  const customized = given.customizediops === true
  if (customized && rates.length > 0)
    throw new Refusal(
      'INVALID',
      `Parameter customizediops excludes ${rates.join(', ')}: only total IOPS are customised`,
    )
  const tier = tierOf(given, { qos, customized, rates: rates.length > 0 })
  return { qos, tier, kind: customized ? 'customized' : 'fixed' }
}

function vector(given: QosParameters): Qos {
  const total = rate(given.miniops, given.maxiops, [given.burstiops, given.burstseconds])
  const parts = RATES.map(([name, axis]) => {
    return [axis, rate(undefined, given[name], [given[`${name}max`], given[`${name}maxlength`]])] as const
  })
  return Object.fromEntries([['totalIops', total] as const, ...parts].filter(([, value]) => value !== undefined))
}

/** 0 is CloudStack's "not limited". */
function rate(
  min: number | undefined,
  max: number | undefined,
  [burst, burstSeconds]: readonly [number | undefined, number | undefined],
): QosRate | undefined {
  const all = { min, max, burst, burstSeconds }
  const set = Object.entries(all).filter(([, value]) => value !== undefined && value !== 0)
  return set.length === 0 ? undefined : Object.fromEntries(set)
}

function tierOf(
  given: QosParameters,
  sold: { readonly qos: Qos; readonly customized: boolean; readonly rates: boolean },
): WantedTier {
  const wanted = given.qostier ?? (sold.rates ? 'hypervisor' : 'storage')
  if (asksNothing(sold.qos) && !sold.customized) {
    if (given.qostier === undefined) return 'none'
    throw new Refusal('INVALID', 'Parameter qostier is given, but no QoS that it could say it of')
  }
  const guaranteed = QOS_AXES.some((axis) => sold.qos[axis]?.min !== undefined)
  if (wanted === 'hypervisor' && guaranteed)
    throw new Refusal(
      'INVALID',
      'Parameters qostier=hypervisor and miniops exclude each other: a hypervisor limits, it guarantees nothing',
    )
  return wanted
}
