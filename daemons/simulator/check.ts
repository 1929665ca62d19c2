import { type Id, PluginError } from '@moorage/contract'

/** A JSON object as it came over the wire: nothing about it is known until one of the functions below has looked. */
export type Fields = Readonly<Record<string, unknown>>

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** An error about an argument; nothing was changed. */
export function invalid(message: string): PluginError {
  return new PluginError('INVALID', message, 'none')
}

/** True for a JSON object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads an object; throws `INVALID`. */
export function fields(value: unknown, name: string): Fields {
  if (!isFields(value)) throw invalid(`${name} must be an object`)
  return value
}

/** Reads a text of 1 to 512 characters; throws `INVALID`. */
export function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '' || value.length > 512) {
    throw invalid(`${name} must be a text of 1 to 512 characters`)
  }
  return value
}

/** Reads a lower-case UUID; throws `INVALID`. */
export function uuid<Kind extends string>(value: unknown, name: string): Id<Kind> {
  if (typeof value !== 'string' || !UUID.test(value)) throw invalid(`${name} must be a lower-case UUID`)
  return value as Id<Kind> // The pattern is the definition of an id; its kind follows from where it stands.
}

/** Reads the name of an array or a host, which becomes part of addresses; throws `INVALID`. */
export function label(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[a-z0-9][a-z0-9.-]{0,62}$/.test(value)) {
    throw invalid(`${name} must be 1 to 63 of a-z, 0-9, dot and hyphen`)
  }
  return value
}

/** Reads a whole number of at least `least`; throws `INVALID`. */
export function whole(value: unknown, name: string, least: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    throw invalid(`${name} must be a whole number of at least ${least}`)
  }
  return value
}

/** Reads one of `accepted`; throws `INVALID`. */
export function oneOf<const Text extends string>(value: unknown, name: string, accepted: readonly Text[]): Text {
  const found = accepted.find((text) => text === value)
  if (found === undefined) throw invalid(`${name} must be one of ${accepted.join(', ')}`)
  return found
}

/** Reads base64; throws `INVALID`. */
export function bytes(value: unknown, name: string): Buffer {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw invalid(`${name} must be base64`)
  return Buffer.from(value, 'base64')
}
