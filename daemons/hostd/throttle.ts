import {
  type AppliedQos,
  differingAxes,
  PluginError,
  type Qos,
  QOS_AXES,
  type QosAxis,
  type QosRate,
} from '@moorage/contract'

/** QEMU's name of each axis in `block_set_io_throttle` and `query-block`. */
const QEMU_NAME = {
  totalIops: 'iops',
  readIops: 'iops_rd',
  writeIops: 'iops_wr',
  totalBytes: 'bps',
  readBytes: 'bps_rd',
  writeBytes: 'bps_wr',
} as const satisfies Record<QosAxis, string>

const IOPS_AXES: ReadonlySet<QosAxis> = new Set(['totalIops', 'readIops', 'writeIops'])
/** Range in which IOPS are accepted. The plug-in declares the same. */
const IOPS_RANGE = { min: 1, max: 1_000_000 }
/** QEMU's THROTTLE_VALUE_MAX. */
const HIGHEST_BYTES = 1_000_000_000_000_000
/** Readings are rounded to this many parts of a second, well below what a burst can be told apart by. */
const SECOND_PARTS = 1_000_000

/** Numbers by the argument names of `block_set_io_throttle`. */
export type ThrottleNumbers = Readonly<Record<string, number>>

/**
 * The arguments of `block_set_io_throttle` for a vector; every quantity is named, so that what the vector leaves out is
 * lifted. Throws, with effect `none`: `UNSUPPORTED` for a `min` (a hypervisor can hold back, not guarantee), `INVALID` for
 * totals beside reads or writes or a burst that is none, `LIMIT` for numbers out of range.
 *
 * QEMU's bucket (`util/throttle.c`) holds `max x length` operations, fills at `max` and drains at `avg`, in its words; so
 * a burst that starts with all credit lasts `length x burst / (burst - max)` seconds, in ours. `length` is an integer:
 * the nearest one is used, and what it comes to is what `throttleOf` reads back.
 */
export function throttleArguments(qos: Qos): ThrottleNumbers {
  refuseTotalsBesideParts(qos)
  const entries = QOS_AXES.flatMap((axis): readonly (readonly [string, number])[] => {
    const name = QEMU_NAME[axis]
    const rate = qos[axis]
    if (rate === undefined) return [[name, 0]]
    const { max, burst } = checked(axis, rate)
    if (burst === undefined) return [[name, max]]
    return [
      [name, max],
      [`${name}_max`, burst],
      [`${name}_max_length`, bucketLength({ max, burst, seconds: rate.burstSeconds })],
    ]
  })
  return Object.fromEntries(qos.ioBytes === undefined ? entries : [...entries, ['iops_size', qos.ioBytes]])
}

/** The vector in force, read from the `inserted` part of a `query-block` entry. */
export function throttleOf(inserted: Readonly<Record<string, unknown>>): Qos {
  const number = (name: string) => {
    const value = inserted[name]
    return typeof value === 'number' && value > 0 ? value : undefined
  }
  const rates = QOS_AXES.flatMap((axis) => {
    const name = QEMU_NAME[axis]
    const max = number(name)
    if (max === undefined) return []
    const burst = number(`${name}_max`)
    if (burst === undefined) return [[axis, { max }] as const]
    const burstSeconds = secondsOf({ max, burst, length: number(`${name}_max_length`) ?? 1 })
    return [[axis, burstSeconds === undefined ? { max, burst } : { max, burst, burstSeconds }] as const]
  })
  const ioBytes = number('iops_size')
  return { ...Object.fromEntries(rates), ...(ioBytes === undefined ? {} : { ioBytes }) }
}

/** What was asked beside what is in force. */
export function appliedThrottle(asked: Qos, applied: Qos): AppliedQos {
  return { applied, clamped: differingAxes(asked, applied) }
}

function bucketLength(rate: {
  readonly max: number
  readonly burst: number
  readonly seconds: number | undefined
}): number {
  const { max, burst, seconds = 0 } = rate
  return Math.max(1, Math.round((seconds * (burst - max)) / burst))
}

/** `undefined` for QEMU's default bucket: the shortest burst that it knows, which is what no `burstSeconds` asks for. */
function secondsOf(rate: {
  readonly max: number
  readonly burst: number
  readonly length: number
}): number | undefined {
  const { max, burst, length } = rate
  if (length <= 1 || burst <= max) return undefined
  return Math.round(((length * burst) / (burst - max)) * SECOND_PARTS) / SECOND_PARTS
}

function refuseTotalsBesideParts(qos: Qos): void {
  for (const [total, ...parts] of [
    ['totalIops', 'readIops', 'writeIops'],
    ['totalBytes', 'readBytes', 'writeBytes'],
  ] as const) {
    const part = parts.find((name) => qos[name] !== undefined)
    if (qos[total] !== undefined && part !== undefined) refuse('INVALID', `${total} and ${part} exclude each other`)
  }
}

function checked(axis: QosAxis, rate: QosRate): { readonly max: number; readonly burst?: number } {
  const { min, max, burst } = rate
  if (min !== undefined) refuse('UNSUPPORTED', `${axis}: a hypervisor cannot guarantee a minimum`)
  if (max === undefined) return refuse('INVALID', `${axis}: a limit needs max`)
  const range = IOPS_AXES.has(axis) ? IOPS_RANGE : { min: 1, max: HIGHEST_BYTES }
  for (const value of burst === undefined ? [max] : [max, burst]) {
    if (!Number.isSafeInteger(value)) refuse('INVALID', `${axis}: ${value} is no whole number`)
    if (value < range.min || value > range.max)
      refuse('LIMIT', `${axis}: ${value} is outside ${range.min}..${range.max}`)
  }
  if (burst === undefined) return { max }
  if (burst < max) refuse('INVALID', `${axis}: burst ${burst} is below max ${max}`)
  return { max, burst }
}

function refuse(code: 'INVALID' | 'UNSUPPORTED' | 'LIMIT', message: string): never {
  throw new PluginError(code, message, 'none')
}
