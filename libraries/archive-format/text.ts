import { createHash } from 'node:crypto'
import { PluginError } from '@moorage/contract'
import { damaged, FORMAT_VERSION } from './layout.ts'

/*
 * Small objects are text: a line that says what it is, a line of JSON, and the SHA-256 of both lines.
 */

/** What a small object is. */
export type TextKind = 'head' | 'keys' | 'snapshot' | 'abandoned' | 'writer' | 'condemned' | 'waits'

/** Any JSON object, before its fields are checked. */
export type Fields = Readonly<Record<string, unknown>>

/** The bytes of a small object. */
export function writeText(kind: TextKind, body: object): Buffer {
  const text = `moorage-archive ${FORMAT_VERSION} ${kind}\n${JSON.stringify(body)}\n`
  return Buffer.from(`${text}${digestOf(text)}\n`)
}

/**
 * Reads a small object. `DAMAGED` unless its digest is right and every byte is part of it; `UNSUPPORTED` when it was written
 * by a later version.
 */
export function readText(object: string, bytes: Uint8Array): { readonly kind: string; readonly body: Fields } {
  // What is not UTF-8 would read as something else, and is then told by the digest.
  const text = Buffer.from(bytes).toString('utf8')
  const [first = '', json = '', digest = '', rest] = text.split('\n')
  const [, version, kind = ''] = /^moorage-archive (\d+) ([a-z]+)$/.exec(first) ?? []
  const whole = `${first}\n${json}\n`
  if (rest !== '' || digest !== digestOf(whole) || !Buffer.from(text).equals(bytes)) {
    throw damaged(object, 'its digest does not fit')
  }
  if (version !== String(FORMAT_VERSION)) {
    const message = `${object}: has version ${version} of the format; this program knows ${FORMAT_VERSION}`
    throw new PluginError('UNSUPPORTED', message, 'none')
  }
  const body: unknown = JSON.parse(json)
  if (typeof body !== 'object' || body === null) throw damaged(object, 'is no JSON object')
  return { kind, body: body as Fields } // An object, as was just seen.
}

/** Reads a small object of one kind. */
export function readKind(kind: TextKind, object: string, bytes: Uint8Array): Fields {
  const found = readText(object, bytes)
  if (found.kind !== kind) throw damaged(object, `is a "${found.kind}", not a "${kind}"`)
  return found.body
}

/** A field that is a text. */
export function textField(object: string, fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw damaged(object, `"${name}" is no text`)
  return value
}

/** A field that is a whole number of at least 0. */
export function numberField(object: string, fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw damaged(object, `"${name}" is no number`)
  }
  return value
}

/** A field that is a list of texts. */
export function textsField(object: string, fields: Fields, name: string): readonly string[] {
  const value = fields[name]
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) {
    throw damaged(object, `"${name}" is no list of texts`)
  }
  return value as readonly string[] // Each was just seen to be one.
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
