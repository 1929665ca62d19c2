import { QOS_AXES, type Qos, type QosRate } from '@moorage/contract'
import { Refusal } from './failures.ts'
import { asksNothing, inParameters, qosFaults, type WantedTier } from './qos.ts'
import {
  type OfferedQos,
  type PerGib,
  PER_GIB_PARTS,
  type PerGibRate,
  turningSizes,
  vectorAt,
  volumeQos,
} from './qos-terms.ts'
import { GIB } from './size.ts'

/** QoS parameters of an offering as a caller gives them; IOPS and bytes per second. Absent: not given. */
export interface QosParameters {
  readonly miniops?: number
  readonly maxiops?: number
  readonly burstiops?: number
  readonly burstseconds?: number
  /** IOPS for every GiB begun, with the fewest and the most that a volume gets by it. */
  readonly miniopspergb?: number
  readonly lowestminiops?: number
  readonly highestminiops?: number
  readonly maxiopspergb?: number
  readonly lowestmaxiops?: number
  readonly highestmaxiops?: number
  readonly burstiopspergb?: number
  readonly lowestburstiops?: number
  readonly highestburstiops?: number
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

/** Largest volume that an offering can be asked for, in GiB: 8 PiB. */
const LARGEST_GIB = 8_388_608

/** Parameters of QoS that the array keeps. */
const STORAGE = [
  ...(['miniops', 'maxiops', 'burstiops', 'burstseconds', 'iosize'] as const),
  ...PER_GIB_PARTS.flatMap((part) => [`${part}iopspergb`, `lowest${part}iops`, `highest${part}iops`] as const),
]
/** CloudStack's hypervisor rates: name of the rate, and the axis that it limits. */
const RATES = [
  ['bytesreadrate', 'readBytes'],
  ['byteswriterate', 'writeBytes'],
  ['iopsreadrate', 'readIops'],
  ['iopswriterate', 'writeIops'],
] as const

/**
 * The vector and tier that an offering sells, of volumes of `gib`, or of whatever size. Storage and hypervisor QoS exclude
 * each other per volume, so giving parameters of both is refused, naming them. CloudStack drops `miniops` and `maxiops` unless
 * `customizediops=false` is said; here they hold, and with `customizediops=true` they are what a volume gets that names no
 * others. What would contradict itself at some size is refused, naming the size. Throws `Refusal` `INVALID`.
 */
export function soldQos(given: QosParameters, gib?: number): OfferedQos {
  const storage = STORAGE.filter((name) => given[name] !== undefined)
  const rates = RATES.flatMap(([rate]) => [rate, `${rate}max`, `${rate}maxlength`] as const).filter(
    (name) => given[name] !== undefined,
  )
  if (storage.length > 0 && rates.length > 0)
    throw new Refusal(
      'INVALID',
      `Parameters ${storage.join(', ')} (storage QoS) and ${rates.join(', ')} (hypervisor QoS) exclude each other: a volume's QoS is enforced in one place`,
    )
  const perGib = perGibOf(given)
  const qos: Qos = { ...vector(given), ...(given.iosize === undefined ? {} : { ioBytes: given.iosize }) }
  const customized = given.customizediops === true
  if (customized) checkCustomized(rates, perGib)
  const tier = tierOf(given, { qos, perGib, customized, rates: rates.length > 0 })
  const sold = { qos, tier, kind: customized ? 'customized' : 'fixed' } as const
  if (perGib) return checkSizes({ ...sold, perGib }, gib)
  const [fault] = qosFaults(qos)
  if (fault === undefined) return sold
  throw new Refusal('INVALID', `The QoS of the offering is not possible: ${inParameters(fault)}`)
}

function checkCustomized(rates: readonly string[], perGib: PerGib | undefined): void {
  const wrong = (names: readonly string[], rule: string) =>
    new Refusal('INVALID', `Parameter customizediops excludes ${names.join(', ')}: ${rule}`)
  if (rates.length > 0) throw wrong(rates, 'only total IOPS are customised')
  if (!perGib) return
  const names = Object.keys(perGib).map((part) => `${part}iopspergb`)
  throw wrong(names, 'IOPS are either chosen for each volume, or follow from its size')
}

/** Sound at every size, or refused with the smallest size at which it is not. */
function checkSizes(sold: OfferedQos & { readonly perGib: PerGib }, gib: number | undefined): OfferedQos {
  let good = 0
  for (const size of gib === undefined ? turningSizes(sold.perGib, LARGEST_GIB) : [gib]) {
    let bad = size
    if (isSoundAt(sold, size)) good = size
    else {
      // Between turns what is too high only grows further: halving finds where it begins.
      while (gib === undefined && bad - good > 1) {
        const middle = Math.floor((good + bad) / 2)
        if (isSoundAt(sold, middle)) good = middle
        else bad = middle
      }
      volumeQos(sold, {}, bad * GIB)
    }
  }
  return sold
}

function isSoundAt(sold: OfferedQos, gib: number): boolean {
  return qosFaults(vectorAt(sold, gib * GIB)).length === 0
}

function perGibOf(given: QosParameters): PerGib | undefined {
  const parts = PER_GIB_PARTS.flatMap((part) => {
    const [each, low, high] = [`${part}iopspergb`, `lowest${part}iops`, `highest${part}iops`] as const
    const [perGib, least, most] = [given[each], given[low], given[high]]
    const bound = least === undefined ? high : low
    if (perGib === undefined && (least !== undefined || most !== undefined))
      throw new Refusal('INVALID', `Parameter ${bound} goes with ${each}, which is not given`)
    if (perGib === undefined) return []
    if (given[`${part}iops`] !== undefined)
      throw new Refusal('INVALID', `Parameters ${part}iops and ${each} exclude each other: either sets the IOPS`)
    if (least !== undefined && most !== undefined && least > most)
      throw new Refusal('INVALID', `Invalid parameter ${low}: ${least} is above ${high} ${most}`)
    const rate: PerGibRate = {
      perGib,
      ...(least === undefined ? {} : { least }),
      ...(most === undefined ? {} : { most }),
    }
    return [[part, rate] as const]
  })
  return parts.length === 0 ? undefined : Object.fromEntries(parts)
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
  sold: {
    readonly qos: Qos
    readonly perGib: PerGib | undefined
    readonly customized: boolean
    readonly rates: boolean
  },
): WantedTier {
  const wanted = given.qostier ?? (sold.rates ? 'hypervisor' : 'storage')
  if (asksNothing(sold.qos) && !sold.perGib && !sold.customized) {
    if (given.qostier === undefined) return 'none'
    throw new Refusal(
      'INVALID',
      'Parameter qostier is given, but no limit or guarantee for which it could say who enforces it',
    )
  }
  const guaranteed = QOS_AXES.some((axis) => sold.qos[axis]?.min !== undefined)
  if (wanted === 'hypervisor' && (guaranteed || sold.perGib?.min))
    throw new Refusal(
      'INVALID',
      `Parameters qostier=hypervisor and ${guaranteed ? 'miniops' : 'miniopspergb'} exclude each other: a hypervisor limits, it guarantees nothing`,
    )
  return wanted
}
