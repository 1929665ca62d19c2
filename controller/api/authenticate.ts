import { callerOfSession, rootAdministrator, signerOf } from '../operations/authentication.ts'
import type { Caller, System } from '../operations/context.ts'
import { refuse } from '../operations/refusals.ts'
import { type Received, valueOf } from './received.ts'
import { isInTime, isSigned } from './signature.ts'

/** Cookie that names a session. */
export const SESSION_COOKIE = 'JSESSIONID'
/** Cookie, and parameter, that proves that the request was meant: other sites cannot send it. */
export const SESSION_KEY = 'sessionkey'

/** What a request says about who sent it. */
export interface Sender {
  readonly received: Received
  readonly cookies: Readonly<Record<string, string | undefined>>
  /** Came in by the integration port, which asks for no credentials. */
  readonly trusted: boolean
}

/** Who asks. Throws `Refusal` `UNAUTHENTICATED`, the same whatever was wrong. */
export async function authenticate(system: System, sender: Sender): Promise<Caller> {
  if (sender.trusted) return await rootAdministrator(system)
  const { received } = sender
  const apiKey = valueOf(received, 'apikey')
  const signature = valueOf(received, 'signature')
  const caller =
    apiKey === undefined && signature === undefined
      ? await bySession(system, sender)
      : await bySignature(system, received, { apiKey: apiKey ?? '', signature: signature ?? '' })
  if (caller !== undefined) return caller
  throw refuse('UNAUTHENTICATED', 'unable to verify user credentials and/or request signature')
}

async function bySignature(
  system: System,
  received: Received,
  given: { readonly apiKey: string; readonly signature: string },
): Promise<Caller | undefined> {
  const times = { version: valueOf(received, 'signatureversion'), expires: valueOf(received, 'expires') }
  if (given.apiKey === '' || given.signature === '' || !isInTime(times, Date.now())) return undefined
  const signer = await signerOf(system, given.apiKey)
  return signer && isSigned(received, signer.secretKey, given.signature) ? signer.caller : undefined
}

async function bySession(system: System, { cookies, received }: Sender): Promise<Caller | undefined> {
  const id = cookies[SESSION_COOKIE]
  if (id === undefined || id === '') return undefined
  const keys = [valueOf(received, SESSION_KEY), cookies[SESSION_KEY]].filter((key) => key !== undefined)
  return await callerOfSession(system, { id, keys })
}
