import { QOS_AXES, type Qos, type QosAxis, type QosCapability, type QosRate } from '@moorage/contract'

const BYTES_PER_SECOND = 8 * 1024 * 1024

/** The axis on which a vector is tried: total IOPS where they are kept, else the first that is. */
export function axisOf(capability: QosCapability): QosAxis {
  return capability.axes.includes('totalIops') ? 'totalIops' : (capability.axes[0] ?? 'totalIops')
}

/** A maximum on one axis inside the range of the capability; a larger one for a larger `level`. */
export function maximum(capability: QosCapability, level: number): Qos {
  return vector(axisOf(capability), { max: within(capability, 500 * level) })
}

/** Every part that the capability keeps, on one axis, consistent in itself. */
export function everyPart(capability: QosCapability): Qos {
  const rate = {
    min: within(capability, 100),
    max: within(capability, 500),
    burst: within(capability, 1000),
    burstSeconds: 5,
  }
  const kept = Object.fromEntries(
    Object.entries(rate).filter(([part]) => capability.parts.some((each) => each === part)),
  )
  return vector(axisOf(capability), kept)
}

/** Vectors that between them limit every axis that the capability keeps, two at once where they go together. */
export function everyAxis(capability: QosCapability): readonly Qos[] {
  const limit = (axis: QosAxis, level: number) =>
    vector(axis, { max: axis.endsWith('Bytes') ? BYTES_PER_SECOND * level : within(capability, 500 * level) })
  const alone = capability.axes.map((axis, index) => limit(axis, 1 + (index % 3)))
  const pairs = [
    ['totalIops', 'totalBytes'],
    ['readIops', 'writeIops'],
    ['readBytes', 'writeBytes'],
  ] as const satisfies readonly (readonly [QosAxis, QosAxis])[]
  const kept = pairs.filter((pair) => pair.every((axis) => capability.axes.includes(axis)))
  return [...alone, ...kept.map(([one, two]) => ({ ...limit(one, 1), ...limit(two, 2) }))]
}

/** The vector with a size of I/O, where the capability keeps one; else `undefined`. */
export function sized(capability: QosCapability): Qos | undefined {
  if (capability.ioBytes !== 'free' || !capability.axes.includes('totalIops')) return undefined
  return { ...maximum({ ...capability, axes: ['totalIops'] }, 1), ioBytes: 8192 }
}

/** Vectors that the capability does not keep or that contradict themselves, each with what is wrong about it. */
export function wrongVectors(capability: QosCapability): readonly { readonly qos: Qos; readonly wrong: string }[] {
  const has = (part: 'min' | 'burst') => capability.parts.includes(part)
  const [low, high] = [within(capability, 100), within(capability, 1000)]
  const axis = axisOf(capability)
  const missing = QOS_AXES.find((each) => !capability.axes.includes(each))
  const wrong = [
    !has('min') && { qos: vector(axis, { min: low, max: high }), wrong: 'a minimum, which it does not keep' },
    !has('burst') && { qos: vector(axis, { max: low, burst: high }), wrong: 'a burst, which it does not keep' },
    missing && { qos: vector(missing, { max: high }), wrong: `the axis ${missing}, which it does not keep` },
    low < high && has('min') && { qos: vector(axis, { min: high, max: low }), wrong: 'a minimum above the maximum' },
    low < high && has('burst') && { qos: vector(axis, { max: high, burst: low }), wrong: 'a burst below the maximum' },
    capability.ioBytes === 'none' && {
      qos: { ...vector(axis, { max: high }), ioBytes: 8192 },
      wrong: 'a size of I/O, which it does not keep',
    },
    ['totalIops', 'readIops'].every((each) => capability.axes.some((kept) => kept === each)) && {
      qos: { totalIops: { max: high }, readIops: { max: low } },
      wrong: 'a total and a read limit of the same quantity',
    },
    ['totalBytes', 'writeBytes'].every((each) => capability.axes.some((kept) => kept === each)) && {
      qos: { totalBytes: { max: BYTES_PER_SECOND }, writeBytes: { max: BYTES_PER_SECOND } },
      wrong: 'a total and a write limit of the same quantity',
    },
  ]
  return wrong.filter((each) => each !== false && each !== undefined)
}

/** A vector with one rate. */
export function vector(axis: QosAxis, rate: QosRate): Qos {
  return { [axis]: rate }
}

function within({ iops }: QosCapability, wanted: number): number {
  if (!iops) return wanted * (BYTES_PER_SECOND / 1000)
  return Math.min(Math.max(wanted, iops.min), iops.max)
}
