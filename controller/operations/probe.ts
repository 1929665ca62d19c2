import { randomUUID } from 'node:crypto'
import { asPluginError, type Call, type PluginError } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'

/** How long an array or host may take to say what it is before its registration is refused. */
export const PROBE_MS = 10_000

/**
 * Asks an array or a host what it is, within `PROBE_MS`. `thing` names it in a refusal: `The array`. Throws `Refusal`:
 * `INVALID` for settings or credentials that are wrong, `UNAVAILABLE` when it cannot be reached. Callers are operators, so
 * that the plug-in's own words about a wrong setting are passed on.
 */
export async function probe<Report>(thing: string, ask: (call: Call) => Promise<Report>): Promise<Report> {
  try {
    return await ask({
      key: `probe/${randomUUID()}`,
      deadline: Date.now() + PROBE_MS,
      signal: AbortSignal.timeout(PROBE_MS),
      fence: 0,
    })
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown
    throw refused(thing, asPluginError(thrown))
  }
}

function refused(thing: string, error: PluginError): Refusal {
  const because = { internal: `${error.code}: ${error.message}`, cause: error }
  switch (error.code) {
    case 'INVALID':
      return new Refusal(
        'INVALID',
        `Invalid parameter url or details: ${error.message}. Nothing was registered.`,
        because,
      )
    case 'DENIED':
      return new Refusal(
        'INVALID',
        `${thing} refused the credentials: check user and password. Nothing was registered.`,
        because,
      )
    case 'UNAVAILABLE':
    case 'TIMEOUT':
    case 'BUSY':
      return new Refusal(
        'UNAVAILABLE',
        `${thing} that parameter url names did not answer within ${PROBE_MS / 1000} seconds: check the address, and that the ` +
          'controller reaches it. Nothing was registered.',
        because,
      )
    default:
      return new Refusal(
        'INTERNAL',
        `${thing} answered in a way that its plug-in did not expect. Nothing was registered.`,
        because,
      )
  }
}
