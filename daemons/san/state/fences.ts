import { type Call, PluginError, type Source } from '@moorage/contract'
import type { Database } from './database.ts'

/** The object that fences of a volume or a snapshot are kept for. */
export function fenceOf(source: Source): string {
  return `${source.kind}/${source.id}`
}

/**
 * Refuses with `FENCED`, effect `none`, a call whose fence is below the highest that `object` has accepted; else
 * remembers it for ever, also when the call is refused for another reason later: that somebody took over is a fact of
 * its own, and it holds for ids that are gone or never were.
 */
export function claim(database: Database, object: string, call: Call): void {
  const row = database.one<{ fence: number }>('SELECT fence FROM fences WHERE object = ?', object)
  if (row && call.fence < row.fence) {
    throw new PluginError('FENCED', `${object} was taken over: fence ${call.fence} is below ${row.fence}`, 'none')
  }
  if (row?.fence === call.fence) return
  database.run(
    'INSERT INTO fences VALUES (?, ?) ON CONFLICT(object) DO UPDATE SET fence = excluded.fence',
    object,
    call.fence,
  )
}
