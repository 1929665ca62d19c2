import { createHash } from 'node:crypto'

/**
 * A UUID that is the same for the same parts: names work that several controllers, or several attempts of one step, would
 * otherwise submit twice. Version 8 of RFC 9562: the first 122 free bits of SHA-256.
 */
export function derivedId(...parts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const variant = ((Number.parseInt(hash.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}
