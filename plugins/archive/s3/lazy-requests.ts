import type { S3Endpoint } from './endpoint.ts'
import type { Requests } from './requests.ts'

/**
 * The requests of S3, their client loaded with the first of them: loading it takes a fifth of a second of a
 * processor, and most controllers have no archive in S3.
 */
export function lazyRequests(endpoint: S3Endpoint): Requests {
  let loading: Promise<Requests> | undefined
  const requests = () => (loading ??= import('./requests.ts').then(({ newRequests }) => newRequests(endpoint)))
  return {
    put: async (...asked) => (await requests()).put(...asked),
    get: async (...asked) => (await requests()).get(...asked),
    head: async (...asked) => (await requests()).head(...asked),
    list: async (...asked) => (await requests()).list(...asked),
    remove: async (...asked) => (await requests()).remove(...asked),
  }
}
