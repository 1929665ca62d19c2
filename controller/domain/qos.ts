import { QOS_AXES, type Qos, type QosAxis, type QosCapability, type QosRate } from '@moorage/contract'

/** Who may enforce the QoS of an offering's volumes: `any` prefers the array and falls back to the hypervisor. */
export type WantedTier = 'storage' | 'hypervisor' | 'any' | 'none'
/** Who enforces it in fact. One tier only: two would fight over the same queue. */
export type Tier = 'storage' | 'hypervisor' | 'none'

const PARTS = ['min', 'max', 'burst', 'burstSeconds'] as const satisfies readonly (keyof QosRate)[]
const IOPS_AXES = ['totalIops', 'readIops', 'writeIops'] as const satisfies readonly QosAxis[]

/** True when the vector asks for nothing. */
export function asksNothing(qos: Qos): boolean {
  return QOS_AXES.every((axis) => PARTS.every((part) => qos[axis]?.[part] === undefined))
}

/** IOPS that the vector guarantees: what the array must promise, and what the ledger charges. 0 without a `min`. */
export function guaranteedIops(qos: Qos): number {
  return qos.totalIops?.min ?? (qos.readIops?.min ?? 0) + (qos.writeIops?.min ?? 0)
}

/**
 * What is wrong with a vector, one sentence each; empty when it is sound. Rules: positive whole numbers;
 * min <= max <= burst; burstSeconds only with a burst; total excludes read and write of the same quantity.
 */
export function qosFaults(qos: Qos): readonly string[] {
  const faults = QOS_AXES.flatMap((axis) => rateFaults(axis, qos[axis] ?? {}))
  if (qos.totalIops && (qos.readIops || qos.writeIops)) {
    faults.push('totalIops excludes readIops and writeIops')
  }
  if (qos.totalBytes && (qos.readBytes || qos.writeBytes)) {
    faults.push('totalBytes excludes readBytes and writeBytes')
  }
  if (qos.ioBytes !== undefined && !positive(qos.ioBytes)) faults.push('ioBytes must be a positive whole number')
  return faults
}

function rateFaults(axis: QosAxis, rate: QosRate): string[] {
  const faults = PARTS.filter((part) => rate[part] !== undefined && !positive(rate[part])).map(
    (part) => `${axis} ${part} must be a positive whole number`,
  )
  const { min, max, burst, burstSeconds } = rate
  if (min !== undefined && max !== undefined && min > max) faults.push(`${axis} min ${min} is above ${axis} max ${max}`)
  if (max !== undefined && burst !== undefined && max > burst)
    faults.push(`${axis} max ${max} is above ${axis} burst ${burst}`)
  if (min !== undefined && max === undefined && burst !== undefined && min > burst) {
    faults.push(`${axis} min ${min} is above ${axis} burst ${burst}`)
  }
  if (burstSeconds !== undefined && burst === undefined) faults.push(`${axis} burstSeconds needs ${axis} burst`)
  return faults
}

function positive(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0
}

/** What of the vector a back end cannot keep, one sentence each; empty when it keeps all of it. `tier` names it. */
export function unkept(qos: Qos, capability: QosCapability | undefined, tier: string): readonly string[] {
  if (asksNothing(qos)) return []
  if (!capability) return [`${tier} keeps no QoS`]
  const reasons: string[] = []
  for (const axis of QOS_AXES) {
    const rate = qos[axis]
    if (!rate) continue
    if (!capability.axes.includes(axis)) reasons.push(`${tier} does not keep ${axis}`)
    const parts = PARTS.filter((part) => rate[part] !== undefined && !capability.parts.includes(part))
    const names = parts.map((part) => `${axis} ${part}`)
    if (names.length > 0) reasons.push(`${tier} does not keep ${names.join(', ')}`)
  }
  reasons.push(...outOfRange(qos, capability, tier))
  if (qos.ioBytes !== undefined && capability.ioBytes !== 'free') {
    reasons.push(`${tier} does not let the I/O size be chosen to which IOPS are normalised`)
  }
  return reasons
}

function outOfRange(qos: Qos, capability: QosCapability, tier: string): string[] {
  const range = capability.iops
  if (!range) return []
  return IOPS_AXES.flatMap((axis) =>
    (['min', 'max', 'burst'] as const).flatMap((part) => {
      const value = qos[axis]?.[part]
      if (value === undefined || (value >= range.min && value <= range.max)) return []
      return [`${axis} ${part} ${value} lies outside ${range.min} to ${range.max}, which is what ${tier} accepts`]
    }),
  )
}

/** The same sentence with the API's parameters in place of axes and parts, where there is one parameter for it. */
export function inParameters(fault: string): string {
  return PARAMETERS.reduce((text, [axis, parameter]) => text.replaceAll(axis, parameter), fault)
}

const RATES = [
  ['readIops', 'iopsreadrate'],
  ['writeIops', 'iopswriterate'],
  ['readBytes', 'bytesreadrate'],
  ['writeBytes', 'byteswriterate'],
] as const satisfies readonly (readonly [QosAxis, string])[]

/** A longer name comes before one that it begins with. */
const PARAMETERS: readonly (readonly [string, string])[] = [
  ['totalIops min', 'miniops'],
  ['totalIops max', 'maxiops'],
  ['totalIops burstSeconds', 'burstseconds'],
  ['totalIops burst', 'burstiops'],
  ['totalIops', 'limits on IOPS in total'],
  ...RATES.flatMap(([axis, rate]) => [
    [`${axis} max`, rate] as const,
    [`${axis} burstSeconds`, `${rate}maxlength`] as const,
    [`${axis} burst`, `${rate}max`] as const,
    [axis, rate] as const,
  ]),
  ['ioBytes', 'iosize'],
]

/** A vector as the database holds it. Throws on anything else: such a row was not written by us. */
export function readQos(value: unknown): Qos {
  if (!isRecord(value)) throw new TypeError('a stored QoS vector is no object')
  for (const [name, part] of Object.entries(value)) {
    const sound = name === 'ioBytes' ? typeof part === 'number' : isAxis(name) && isRate(part)
    if (!sound) throw new TypeError(`a stored QoS vector has an unreadable ${name}`)
  }
  return value
}

function isAxis(name: string): name is QosAxis {
  return QOS_AXES.some((axis) => axis === name)
}

function isRate(value: unknown): value is QosRate {
  return isRecord(value) && Object.values(value).every((part) => typeof part === 'number')
}

/** True for an object that is no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
