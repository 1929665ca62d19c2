import {
  type AppliedQos,
  differingAxes,
  PluginError,
  QOS_AXES,
  type Qos,
  type QosAxis,
  type QosCapability,
  type QosRate,
  type StorageLimits,
} from '@moorage/contract'

/*
 * The contract's QoS vector in terms of QEMU's throttle groups, and back.
 *
 * QEMU has one leaky bucket per axis (util/throttle.c): `avg` leaks; `max` and `length` make a burst. With `length` L and
 * saved credit, I/O runs at `max` until the bucket of `max * L` is full, which leaks at `avg` meanwhile: for
 * `L * max / (max - avg)` seconds, not for L. L is a whole number of seconds; with L = 1 QEMU does not limit the rate
 * within that second. Without a burst, a tenth of a second's worth may pass at once.
 */

const MEBIBYTE = 1024 * 1024
const TEBIBYTE = MEBIBYTE * MEBIBYTE
/** Slowest byte rate: slower, one large command would take longer than anybody waits for it. */
const LEAST_BYTES_PER_SECOND = 64 * 1024

const PARTS = ['min', 'max', 'burst', 'burstSeconds'] as const
const IOPS = { min: 10, max: 1_000_000 } as const

/** Limits of every pool of this SAN, as the contract wants them. The plug-in declares the same. */
export const SAN_LIMITS = {
  minVolumeBytes: MEBIBYTE,
  maxVolumeBytes: 16 * TEBIBYTE,
  granularityBytes: MEBIBYTE,
  cloneDependsOnParent: false,
  qos: { axes: QOS_AXES, parts: PARTS, iops: IOPS, ioBytes: 'free' } satisfies QosCapability,
} as const satisfies StorageLimits

/** QEMU's names of the axes (`ThrottleLimits` in qapi/block-core.json). */
const THROTTLE_NAMES = {
  totalIops: 'iops-total',
  readIops: 'iops-read',
  writeIops: 'iops-write',
  totalBytes: 'bps-total',
  readBytes: 'bps-read',
  writeBytes: 'bps-write',
} as const satisfies Record<QosAxis, string>

const IOPS_AXES: ReadonlySet<QosAxis> = new Set(['totalIops', 'readIops', 'writeIops'] as const)

/** A whole `ThrottleLimits`: every key, because `qom-set` leaves alone what is not named. 0 means no limit. */
export type ThrottleLimits = Readonly<Record<string, number>>

/** Reads a vector; throws `INVALID` for one that contradicts itself, `UNSUPPORTED` for a `min` that no loop keeps. */
export function readQos(value: unknown, name: string): Qos {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${name} must be an object`)
  const rates: { [Axis in QosAxis]?: QosRate } = {}
  let ioBytes: number | undefined
  for (const [key, part] of Object.entries(value)) {
    const axis = QOS_AXES.find((known) => known === key)
    if (part === undefined) continue
    if (axis) {
      const rate = readRate(part, `${name}.${axis}`)
      if (Object.keys(rate).length > 0) rates[axis] = rate
    } else if (key === 'ioBytes') ioBytes = positive(part, `${name}.ioBytes`)
    else throw invalid(`${name}.${key} is no axis of QoS`)
  }
  checkTogether(rates, name)
  return { ...rates, ...(ioBytes === undefined ? {} : { ioBytes }) }
}

function readRate(value: unknown, name: string): QosRate {
  if (typeof value !== 'object' || value === null) throw invalid(`${name} must be an object`)
  const rate: { -readonly [Part in keyof QosRate]: QosRate[Part] } = {}
  for (const [key, number] of Object.entries(value)) {
    const part = PARTS.find((known) => known === key)
    if (!part) throw invalid(`${name}.${key} is no part of a rate`)
    if (number !== undefined) rate[part] = positive(number, `${name}.${part}`)
  }
  const { min, max, burst, burstSeconds } = rate
  if (min !== undefined && max !== undefined && min > max) throw invalid(`${name}.min is above ${name}.max`)
  if (burst !== undefined && max === undefined) throw invalid(`${name}.burst needs ${name}.max`)
  if (burst !== undefined && max !== undefined && burst < max) throw invalid(`${name}.burst is below ${name}.max`)
  if (burstSeconds !== undefined && burst === undefined) throw invalid(`${name}.burstSeconds needs ${name}.burst`)
  return rate
}

function checkTogether(rates: Qos, name: string): void {
  for (const [total, ...apart] of [
    ['totalIops', 'readIops', 'writeIops'],
    ['totalBytes', 'readBytes', 'writeBytes'],
  ] as const) {
    const other = apart.find((axis) => rates[axis])
    if (rates[total] && other) throw invalid(`${name}.${total} and ${name}.${other} exclude each other`)
  }
  const kept = QOS_AXES.find((axis) => axis !== 'totalIops' && rates[axis]?.min !== undefined)
  if (kept) throw new PluginError('UNSUPPORTED', `${name}.${kept}.min: a minimum is kept on totalIops only`, 'none')
}

function positive(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw invalid(`${name} must be above 0`)
  return value
}

function invalid(message: string): PluginError {
  return new PluginError('INVALID', message, 'none')
}

/**
 * What this SAN makes of a vector: numbers become whole and move into range, and a burst lasts the shortest time that
 * QEMU can do and that is not below what was asked. A burst without a duration gets QEMU's shortest.
 */
export function fitQos(asked: Qos): AppliedQos {
  const rates: { [Axis in QosAxis]?: QosRate } = {}
  for (const axis of QOS_AXES) {
    const rate = asked[axis]
    if (rate) rates[axis] = fitRate(axis, rate)
  }
  const applied: Qos = { ...rates, ...(asked.ioBytes === undefined ? {} : { ioBytes: Math.ceil(asked.ioBytes) }) }
  return { applied, clamped: differingAxes(asked, applied) }
}

function fitRate(axis: QosAxis, rate: QosRate): QosRate {
  const [least, most] = IOPS_AXES.has(axis) ? [IOPS.min, IOPS.max] : [LEAST_BYTES_PER_SECOND, TEBIBYTE]
  const fit = (value: number) => Math.min(Math.max(Math.round(value), least), most)
  const { min, max, burst, burstSeconds } = rate
  const fitted = {
    ...(min === undefined ? {} : { min: fit(min) }),
    ...(max === undefined ? {} : { max: fit(max) }),
    ...(burst === undefined ? {} : { burst: fit(burst) }),
  }
  if (burstSeconds === undefined || fitted.max === undefined || fitted.burst === undefined) return fitted
  if (fitted.burst === fitted.max) return { ...fitted, burstSeconds }
  const length = burstLength(fitted.max, fitted.burst, burstSeconds)
  return { ...fitted, burstSeconds: burstSecondsOf(fitted.max, fitted.burst, length) }
}

function burstLength(max: number, burst: number, seconds: number): number {
  // The tolerance keeps a duration that came from `burstSecondsOf` at the length it came from.
  return Math.max(1, Math.ceil((seconds * (burst - max)) / burst - 0.01))
}

function burstSecondsOf(max: number, burst: number, length: number): number {
  return Math.round(((length * burst) / (burst - max)) * 100) / 100
}

/** A cap that the allocator puts on a volume's operations per second, below what the volume's own QoS allows. */
export interface Cap {
  readonly iops: number
  /** Share of reads among recent operations, 0 to 1: how the cap is split where reads and writes have limits apart. */
  readonly readShare: number
}

/** The throttle group's limits for a fitted vector, under a cap if there is one. */
export function limitsOf(qos: Qos, cap?: Cap): ThrottleLimits {
  const capped = cap === undefined ? qos : under(qos, cap)
  const limits: Record<string, number> = { 'iops-size': 0 }
  for (const axis of QOS_AXES) {
    const { max = 0, burst = 0, burstSeconds = 1 } = capped[axis] ?? {}
    const bursts = burst > max
    const name = THROTTLE_NAMES[axis]
    limits[name] = max
    limits[`${name}-max`] = bursts ? burst : 0
    limits[`${name}-max-length`] = bursts ? burstLength(max, burst, burstSeconds) : 1
  }
  // QEMU refuses an I/O size where no operations are limited.
  const counts = [...IOPS_AXES].some((axis) => limits[THROTTLE_NAMES[axis]] !== 0)
  if (counts) limits['iops-size'] = capped.ioBytes ?? 0
  return limits
}

function under(qos: Qos, cap: Cap): Qos {
  const { totalIops, readIops, writeIops, ...rest } = qos
  if (!readIops && !writeIops) return { ...rest, totalIops: lower(totalIops, cap.iops) }
  return {
    ...rest,
    readIops: lower(readIops, cap.iops * cap.readShare),
    writeIops: lower(writeIops, cap.iops * (1 - cap.readShare)),
  }
}

function lower(rate: QosRate | undefined, cap: number): QosRate {
  const most = Math.max(IOPS.min, Math.round(cap))
  const { max = Infinity, burst, burstSeconds } = rate ?? {}
  if (most <= max || burst === undefined) return { max: Math.min(max, most) }
  return { max, burst: Math.min(burst, most), ...(burstSeconds === undefined ? {} : { burstSeconds }) }
}

/** The vector that a throttle group's limits amount to; for limits that this package did not set. */
export function qosOf(limits: ThrottleLimits): Qos {
  const rates: { [Axis in QosAxis]?: QosRate } = {}
  for (const axis of QOS_AXES) {
    const name = THROTTLE_NAMES[axis]
    const [max = 0, burst = 0, length = 1] = [limits[name], limits[`${name}-max`], limits[`${name}-max-length`]]
    if (max === 0) continue
    rates[axis] = burst > max ? { max, burst, burstSeconds: burstSecondsOf(max, burst, length) } : { max }
  }
  const size = limits['iops-size'] ?? 0
  return { ...rates, ...(size === 0 ? {} : { ioBytes: size }) }
}

/** True when both mean the same limits. */
export function sameLimits(one: ThrottleLimits, other: ThrottleLimits): boolean {
  return Object.keys(one).every((key) => one[key] === (other[key] ?? 0))
}

/** The most operations per second that a vector allows at any moment: `Infinity` when none are limited. */
export function ceilingOf(qos: Qos): number {
  const top = (rate: QosRate | undefined) => rate?.burst ?? rate?.max ?? Infinity
  if (qos.totalIops) return top(qos.totalIops)
  return top(qos.readIops) + top(qos.writeIops)
}
