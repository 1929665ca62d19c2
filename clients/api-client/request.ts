import { createHmac } from 'node:crypto'

/** Value of a parameter; `undefined` is left out. */
export type ParamValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>> | undefined

/** The body of a request, signed as CloudStack asks where there are keys: HMAC-SHA1 of what is sent, sorted, in lower case. */
export function signedBody(
  command: string,
  params: Readonly<Record<string, ParamValue>>,
  keys: { readonly apiKey: string; readonly secretKey: string } | undefined,
): string {
  const head: readonly (readonly [string, string])[] = [
    ['command', command],
    ['response', 'json'],
    ...(keys === undefined ? [] : [['apiKey', keys.apiKey] as const]),
  ]
  const pairs = [...head, ...Object.entries(params).flatMap(([name, value]) => written(name, value))]
  const query = pairs
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .toSorted()
    .join('&')
  if (keys === undefined) return query
  const signature = createHmac('sha1', keys.secretKey).update(query.toLowerCase()).digest('base64')
  return `${query}&signature=${encodeURIComponent(signature)}`
}

function written(name: string, value: ParamValue): readonly (readonly [string, string])[] {
  if (value === undefined) return []
  if (typeof value !== 'object') return [[name, String(value)]]
  if (isList(value)) return [[name, value.join(',')]]
  return Object.entries(value).flatMap(([key, one], at) => [
    [`${name}[${at}].key`, key] as const,
    [`${name}[${at}].value`, one] as const,
  ])
}

function isList(value: readonly string[] | Readonly<Record<string, string>>): value is readonly string[] {
  return Array.isArray(value)
}
