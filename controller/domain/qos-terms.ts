import type { Qos, QosRate } from '@moorage/contract'
import { Refusal } from './failures.ts'
import { asksNothing, inParameters, isRecord, qosFaults, readQos, type WantedTier } from './qos.ts'
import { GIB, inWords } from './size.ts'

/** IOPS that grow with a volume: so many for every GiB begun, never fewer than `least` nor more than `most`. */
export interface PerGibRate {
  readonly perGib: number
  readonly least?: number
  readonly most?: number
}

/** Parts of the total IOPS that grow with a volume. */
export type PerGib = { readonly [Part in PerGibPart]?: PerGibRate }
/** A part that can. */
export type PerGibPart = (typeof PER_GIB_PARTS)[number]
/** Parts of the total IOPS that can grow with a volume. */
export const PER_GIB_PARTS = ['min', 'max', 'burst'] as const satisfies readonly (keyof QosRate)[]

/** The QoS that an offering sells. Of its total IOPS, a part is in `qos` or in `perGib`, never in both; a customised one has no `perGib`. */
export interface OfferedQos {
  readonly kind: 'fixed' | 'customized'
  readonly tier: WantedTier
  readonly qos: Qos
  readonly perGib?: PerGib
}

/** What a caller asks for on one volume: IOPS per second. */
export interface AskedQos {
  readonly minIops?: number
  readonly maxIops?: number
  readonly burstIops?: number
}

/** The terms of an offering as the database holds them. Throws on what was not written by us. */
export function offeredQos(row: {
  readonly qosKind: 'fixed' | 'customized'
  readonly qosTier: WantedTier
  readonly qos: unknown
  readonly qosPerGib: unknown
}): OfferedQos {
  const perGib = readPerGib(row.qosPerGib)
  return { kind: row.qosKind, tier: row.qosTier, qos: readQos(row.qos), ...(perGib === undefined ? {} : { perGib }) }
}

/** Rates per GiB as the database holds them; null is none. Throws on anything else: such a row was not written by us. */
export function readPerGib(value: unknown): PerGib | undefined {
  if (value === null) return undefined
  if (!isRecord(value)) throw new TypeError('stored rates per GiB are no object')
  const parts = Object.entries(value).map(([part, rate]) => {
    if (!PER_GIB_PARTS.some((known) => known === part) || !isRate(rate))
      throw new TypeError(`stored rates per GiB have an unreadable ${part}`)
    return [part, rate] as const
  })
  return Object.fromEntries(parts)
}

function isRate(value: unknown): value is PerGibRate {
  return (
    isRecord(value) &&
    value['perGib'] !== undefined &&
    Object.values(value).every((number) => typeof number === 'number')
  )
}

/**
 * The vector of one volume of `bytes`. What the offering sells per GiB follows from the size; a customised offering takes the
 * caller's numbers over its own, and with none given the volume has the offering's. Throws `Refusal` `INVALID` for numbers on
 * an offering that is not customised, and for numbers that are not sound.
 */
export function volumeQos(offered: OfferedQos, asked: AskedQos, bytes: number): Qos {
  const { minIops: min, maxIops: max, burstIops: burst } = asked
  const asks = min !== undefined || max !== undefined || burst !== undefined
  if (asks && offered.kind === 'fixed') {
    const name = min === undefined ? (max === undefined ? 'Burst' : 'Max') : 'Min'
    const why = offered.perGib === undefined ? 'it does not allow custom IOPS' : 'its IOPS follow from the size'
    throw new Refusal(
      'INVALID',
      // The first half is CloudStack's: its tests look for it.
      `The current disk offering does not support customization of the '${name} IOPS' parameter: ${why}`,
    )
  }
  const given = {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(burst === undefined ? {} : { burst }),
  }
  const sold = vectorAt(offered, bytes)
  const qos = asks ? { ...sold, totalIops: { ...sold.totalIops, ...given } } : sold
  const [fault] = qosFaults(qos)
  if (fault === undefined) return qos
  const what = asks ? 'The requested IOPS are' : `The QoS of the disk offering is, in a volume of ${inWords(bytes)},`
  throw new Refusal('INVALID', `${what} not possible: ${inParameters(fault)}`)
}

/** What the offering sells in a volume of `bytes`, whether that is sound or not. */
export function vectorAt({ qos, perGib }: OfferedQos, bytes: number): Qos {
  return perGib === undefined ? qos : { ...qos, totalIops: { ...qos.totalIops, ...grown(perGib, bytes) } }
}

function grown(perGib: PerGib, bytes: number): QosRate {
  const gib = Math.ceil(bytes / GIB)
  const parts = Object.entries(perGib).map(([part, { perGib: each, least = 1, most = Infinity }]) => {
    return [part, Math.min(Math.max(each * gib, least), most)] as const
  })
  return Object.fromEntries(parts)
}

/**
 * Sizes in GiB at which the rates change how they grow, with their neighbours, within 1 to `most`: between them every rate is
 * a straight line, so that what holds at all of these holds at every size.
 */
export function turningSizes(perGib: PerGib, most: number): readonly number[] {
  const turns = Object.values(perGib).flatMap(({ perGib: each, least, most: top }) =>
    [least, top].flatMap((bound) => (bound === undefined ? [] : [Math.floor(bound / each), Math.ceil(bound / each)])),
  )
  const near = turns.flatMap((size) => [size - 1, size, size + 1])
  return [...new Set([1, ...near, most])].filter((size) => size >= 1 && size <= most).sort((a, b) => a - b)
}

/**
 * Terms with the limits that the installation sets by default: on what the hypervisor enforces, and on volumes that are sold
 * without any QoS, which it then enforces. A total excludes reads and writes of the same quantity, so that it keeps both off.
 * Volumes whose QoS an array may enforce keep what they were sold.
 */
export function withDefaults(offered: OfferedQos, defaults: Qos): OfferedQos {
  const { tier, qos, perGib } = offered
  if (tier !== 'hypervisor' && tier !== 'none') return offered
  const free = {
    ...(qos.totalIops || perGib ? {} : { readIops: defaults.readIops, writeIops: defaults.writeIops }),
    ...(qos.totalBytes ? {} : { readBytes: defaults.readBytes, writeBytes: defaults.writeBytes }),
  }
  const set = Object.fromEntries(Object.entries(free).filter(([, rate]) => rate !== undefined))
  if (asksNothing(set)) return offered
  return { ...offered, tier: 'hypervisor', qos: { ...set, ...qos } }
}
