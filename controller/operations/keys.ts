import { randomBytes } from 'node:crypto'
import type { Store } from '../store/store.ts'

/** New keys of a user: to show, and to store. */
export interface NewKeys {
  readonly apiKey: string
  readonly secretKey: string
  readonly stored: { readonly apiKey: string; readonly sealedSecretKey: Buffer }
}

/** Makes keys as long as CloudStack's, of characters that no client has to encode. */
export function newKeys(store: Pick<Store, 'seal'>, user: string): NewKeys {
  const [apiKey, secretKey] = [randomBytes(64).toString('base64url'), randomBytes(64).toString('base64url')]
  return { apiKey, secretKey, stored: { apiKey, sealedSecretKey: store.seal(`principal:${user}`, secretKey) } }
}
