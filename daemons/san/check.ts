import {
  type AccessMode,
  type Consumer,
  type Exposure,
  type Id,
  PluginError,
  type Source,
  type VolumeSpec,
} from '@moorage/contract'
import { readQos } from './qos/limits.ts'

/** A JSON object as it came over the wire: nothing about it is known until one of the functions below has looked. */
export type Fields = Readonly<Record<string, unknown>>

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** RFC 3720 §3.2.6.1, in the letters that tgtd lists and compares as they are. */
const INITIATOR = /^(iqn|eui|naa)\.[A-Za-z0-9.:-]{1,219}$/
/** Owners become directory names. */
const OWNER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** An error about an argument; nothing was changed. */
export function invalid(message: string): PluginError {
  return new PluginError('INVALID', message, 'none')
}

/** Reads an object; throws `INVALID`. */
export function fields(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${name} must be an object`)
  return value as Fields // The line above is the definition of a JSON object.
}

/** Reads a text of 1 to 255 characters; throws `INVALID`. */
export function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.length > 255) {
    throw invalid(`${name} must be a text of 1 to 255 characters`)
  }
  return value
}

/** Reads a lower-case UUID; throws `INVALID`. */
export function uuid<Kind extends string>(value: unknown, name: string): Id<Kind> {
  if (typeof value !== 'string' || !UUID.test(value)) throw invalid(`${name} must be a lower-case UUID`)
  return value as Id<Kind> // The pattern is the definition of an id; its kind follows from where it stands.
}

/** True for a lower-case UUID. */
export function isUuid(value: string): boolean {
  return UUID.test(value)
}

/** Reads a number of bytes of at least 1; throws `INVALID`. */
export function bytes(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw invalid(`${name} must be a whole number of bytes of at least 1`)
  }
  return value
}

/** Reads one of `accepted`; throws `INVALID`. */
function oneOf<const Text extends string>(value: unknown, name: string, accepted: readonly Text[]): Text {
  const found = accepted.find((text) => text === value)
  if (found === undefined) throw invalid(`${name} must be one of ${accepted.join(', ')}`)
  return found
}

/** Reads an ownership mark, which becomes a directory name; throws `INVALID`. */
export function owner(value: unknown): string {
  if (typeof value !== 'string' || !OWNER.test(value)) {
    throw invalid('owner must be 1 to 64 of A-Z, a-z, 0-9, underscore and hyphen')
  }
  return value
}

/** True for an ownership mark. */
export function isOwner(value: string): boolean {
  return OWNER.test(value)
}

/** Reads a source; throws `INVALID`. */
export function source(value: unknown, name: string): Source {
  const given = fields(value, name)
  const kind = oneOf(given['kind'], `${name}.kind`, ['volume', 'snapshot'])
  return kind === 'volume'
    ? { kind, id: uuid(given['id'], `${name}.id`) }
    : { kind, id: uuid(given['id'], `${name}.id`) }
}

/** Reads a consumer; throws `INVALID`. */
export function consumer(value: unknown, name: string): Consumer {
  const given = fields(value, name)
  const initiator = given['initiator']
  if (typeof initiator !== 'string' || !INITIATOR.test(initiator)) {
    throw invalid(
      `${name}.initiator must be an iSCSI name: iqn., eui. or naa., then letters, digits, dot, colon, hyphen`,
    )
  }
  const kind = oneOf(given['kind'], `${name}.kind`, ['host', 'mover'])
  return { kind, id: uuid(given['id'], `${name}.id`), initiator }
}

/** Reads an exposure; throws `INVALID`, also for a snapshot that is to be written. */
export function exposure(value: unknown): Exposure {
  const given = fields(value, 'exposure')
  const from = source(given['source'], 'exposure.source')
  const mode: AccessMode = oneOf(given['mode'], 'exposure.mode', ['rw', 'ro'])
  if (from.kind === 'snapshot' && mode === 'rw') throw invalid('exposure.mode: a snapshot is exposed read-only (ro)')
  return {
    source: from,
    consumer: consumer(given['consumer'], 'exposure.consumer'),
    mode,
    account: text(given['account'], 'exposure.account'),
  }
}

/** Reads what to make; throws `INVALID` or, for QoS that cannot be kept, `UNSUPPORTED`. */
export function volumeSpec(value: unknown): VolumeSpec {
  const given = fields(value, 'spec')
  return {
    id: uuid(given['id'], 'spec.id'),
    bytes: bytes(given['bytes'], 'spec.bytes'),
    qos: readQos(given['qos'] ?? {}, 'spec.qos'),
    settings: {},
  }
}
