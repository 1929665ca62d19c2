import { PluginError } from '@moorage/contract'
import { recordEvent } from '../store/events.ts'
import { fellSilent, type Watched } from '../store/silence.ts'
import type { Tx } from '../store/store.ts'
import type { ReconcilerDeps } from './reconciler.ts'

/** Who was asked, and how it is spoken of in events: kind of resource, first part of the type, and name for people. */
export interface Asked {
  readonly table: Watched
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly event: string
  readonly title: string
  /** As `an archive`, for the log. */
  readonly one: string
}

/**
 * Records what somebody said of itself, or that it said nothing; an event, and for silence a line in the log, tell what is
 * news. `record` answers since when it had not answered, where it had not.
 */
export async function recordAnswer<Report>(
  deps: Pick<ReconcilerDeps, 'store' | 'log'>,
  asked: Asked,
  heard: {
    readonly answer: Report | PluginError
    readonly record: (tx: Tx, report: Report) => Promise<Date | undefined>
  },
): Promise<void> {
  const { answer, record } = heard
  const { table, id, name, title, one } = asked
  const resource = { kind: asked.kind, id }
  if (!(answer instanceof PluginError)) {
    await deps.store.transact(async (tx) => {
      const silentSince = await record(tx, answer)
      if (!silentSince) return
      const description = `${title} ${name} answers again, which it did not since ${silentSince.toISOString()}`
      await recordEvent(tx, { type: `${asked.event}.RECONNECT`, state: 'Completed', description, resource })
    })
    return
  }
  const news = await deps.store.transact(async (tx) => {
    if (!(await fellSilent(tx, table, id))) return false
    const description = `${title} ${name} does not answer`
    await recordEvent(tx, { type: `${asked.event}.ALERT`, level: 'WARN', state: 'Completed', description, resource })
    return true
  })
  const { code, message } = answer
  if (news) deps.log.warn({ [table]: id, name, code, why: message }, `${one} does not report`)
}
