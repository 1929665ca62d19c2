/** One limited quantity of a QoS vector: operations or bytes per second; in total, or reads and writes apart. */
export const QOS_AXES = ['totalIops', 'readIops', 'writeIops', 'totalBytes', 'readBytes', 'writeBytes'] as const
/** A name in `QOS_AXES`. */
export type QosAxis = (typeof QOS_AXES)[number]

/**
 * What holds on one axis, per second. `min` is guaranteed, `max` is the sustained limit, `burst` may be reached for
 * `burstSeconds` at a stretch when credit was saved. Absent means no guarantee or no limit.
 */
export interface QosRate {
  readonly min?: number
  readonly max?: number
  readonly burst?: number
  readonly burstSeconds?: number
}

/**
 * The QoS vector. `ioBytes` is the size in bytes to which IOPS are normalised: a larger I/O counts as several. Absent:
 * every I/O counts as one. `{}` is a volume without QoS. Total and read/write of the same quantity exclude each other.
 */
export type Qos = { readonly [Axis in QosAxis]?: QosRate } & { readonly ioBytes?: number }

/** What a back end did with a requested vector. `clamped` names each axis on which `applied` differs from the request. */
export interface AppliedQos {
  readonly applied: Qos
  readonly clamped: readonly QosAxis[]
}

/** Which axes and parts of a vector a back end keeps, and the range in which it accepts numbers. Data, not code. */
export interface QosCapability {
  readonly axes: readonly QosAxis[]
  /** Parts of `QosRate` that are honoured; what is not named must not be requested. */
  readonly parts: readonly ('min' | 'max' | 'burst' | 'burstSeconds')[]
  /** Lowest and highest accepted IOPS; outside it the back end clamps and reports, or throws `LIMIT`. */
  readonly iops?: { readonly min: number; readonly max: number }
  readonly ioBytes: 'fixed' | 'free' | 'none'
}

/** True when both vectors ask for the same; absent and `undefined` are the same. */
export function sameQos(one: Qos, other: Qos): boolean {
  if (one.ioBytes !== other.ioBytes) return false
  return differingAxes(one, other).length === 0
}

/** The axes on which the vectors differ, in the order of `QOS_AXES`. */
export function differingAxes(one: Qos, other: Qos): readonly QosAxis[] {
  return QOS_AXES.filter((axis) => {
    const a = one[axis] ?? {}
    const b = other[axis] ?? {}
    return a.min !== b.min || a.max !== b.max || a.burst !== b.burst || a.burstSeconds !== b.burstSeconds
  })
}
