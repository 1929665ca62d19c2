import { PluginError, QOS_AXES, type Qos, type QosAxis, type QosCapability, type QosRate } from '@moorage/contract'
import { type Fields, fields, invalid, whole } from './check.ts'

const PARTS = ['min', 'max', 'burst', 'burstSeconds'] as const
type Part = (typeof PARTS)[number]
const EXCLUSIVE = [
  ['totalIops', ['readIops', 'writeIops']],
  ['totalBytes', ['readBytes', 'writeBytes']],
] as const

/**
 * Reads a QoS vector as a back end of `capability` takes it. Throws `INVALID` for a vector that contradicts itself and
 * `UNSUPPORTED` for an axis or a part that the back end does not keep.
 */
export function readQos(value: unknown, name: string, capability: QosCapability): Qos {
  const given = fields(value, name)
  for (const key of Object.keys(given)) {
    if (key !== 'ioBytes' && !isAxis(key)) throw invalid(`${name}.${key} is no axis of QoS`)
  }
  const rates: { [Axis in QosAxis]?: QosRate } = {}
  for (const axis of QOS_AXES) {
    if (given[axis] === undefined) continue
    const rate = readRate(fields(given[axis], `${name}.${axis}`), `${name}.${axis}`, capability)
    if (Object.keys(rate).length === 0) continue
    if (!capability.axes.includes(axis)) throw unsupported(`${name}.${axis}`)
    rates[axis] = rate
  }
  for (const [total, parts] of EXCLUSIVE) {
    const apart = parts.find((part) => rates[part] !== undefined)
    if (rates[total] && apart) throw invalid(`${name}.${total} and ${name}.${apart} exclude each other`)
  }
  if (given['ioBytes'] === undefined) return rates
  if (capability.ioBytes !== 'free') throw unsupported(`${name}.ioBytes`)
  return { ...rates, ioBytes: whole(given['ioBytes'], `${name}.ioBytes`, 512) }
}

/** What a back end of `capability` makes of a vector: IOPS outside its range are moved to the nearest end of it. */
export function clampQos(qos: Qos, capability: QosCapability): Qos {
  const range = capability.iops
  if (!range) return qos
  const clamp = (n: number) => Math.min(Math.max(n, range.min), range.max)
  const clamped: { [Axis in QosAxis]?: QosRate } = {}
  for (const axis of ['totalIops', 'readIops', 'writeIops'] as const) {
    const rate = qos[axis]
    if (!rate) continue
    clamped[axis] = {
      ...rate,
      ...(rate.min !== undefined && { min: clamp(rate.min) }),
      ...(rate.max !== undefined && { max: clamp(rate.max) }),
      ...(rate.burst !== undefined && { burst: clamp(rate.burst) }),
    }
  }
  return { ...qos, ...clamped }
}

function readRate(given: Fields, name: string, capability: QosCapability): QosRate {
  const rate: { [Name in Part]?: number } = {}
  for (const key of Object.keys(given)) {
    const part = PARTS.find((known) => known === key)
    if (!part) throw invalid(`${name}.${key} is no part of a rate`)
    if (given[part] === undefined) continue
    if (!capability.parts.includes(part)) throw unsupported(`${name}.${part}`)
    rate[part] = whole(given[part], `${name}.${part}`, 1)
  }
  const { min, max, burst, burstSeconds } = rate
  if (min !== undefined && max !== undefined && min > max) throw invalid(`${name}.min is above ${name}.max`)
  if (burst !== undefined && (max === undefined || burst < max)) throw invalid(`${name}.burst is below ${name}.max`)
  if (burstSeconds !== undefined && burst === undefined) throw invalid(`${name}.burstSeconds needs ${name}.burst`)
  return rate
}

function isAxis(key: string): key is QosAxis {
  return QOS_AXES.some((axis) => axis === key)
}

function unsupported(name: string): PluginError {
  return new PluginError('UNSUPPORTED', `${name} cannot be kept here`, 'none')
}
