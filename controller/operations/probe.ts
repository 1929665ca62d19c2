import { randomUUID } from 'node:crypto'
import { asPluginError, type Call, type PluginError } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'

/** How long an array or host may take to say what it is before its registration is refused. */
const PROBE_MS = 10_000

/**
 * Asks an array or a host what it is, within `PROBE_MS` unless told. `thing` names it in a refusal: `The array`. Throws `Refusal`:
 * `INVALID` for settings or credentials that are wrong, `UNAVAILABLE` when it cannot be reached. Callers are operators, so
 * that the plug-in's own words about a wrong setting are passed on.
 */
export async function probe<Report>(
  thing: string,
  ask: (call: Call) => Promise<Report>,
  { withinMs }: { readonly withinMs: number } = { withinMs: PROBE_MS },
): Promise<Report> {
  try {
    return await ask({
      key: `probe/${randomUUID()}`,
      deadline: Date.now() + withinMs,
      signal: AbortSignal.timeout(withinMs),
      fence: 0,
    })
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown
    throw refused(thing, asPluginError(thrown), withinMs)
  }
}

function refused(thing: string, error: PluginError, withinMs: number): Refusal {
  const because = { internal: `${error.code}: ${error.message}`, cause: error }
  switch (error.code) {
    case 'INVALID':
    case 'NOT_FOUND':
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
    case 'TIMEOUT':
      return new Refusal(
        'UNAVAILABLE',
        `${thing} that parameter url names did not answer within ${withinMs / 1000} seconds. Nothing was registered.`,
        because,
      )
    case 'UNAVAILABLE':
    case 'BUSY':
      return new Refusal(
        'UNAVAILABLE',
        `${thing} that parameter url names cannot be reached: check the address, and that the controller gets there. ` +
          'Nothing was registered.',
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
