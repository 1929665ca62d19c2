import { PluginError } from '@moorage/contract'
import type { Store } from './store.ts'

/**
 * What a call claims before it may begin: that its number (a fence, or the generation of a disk) is not below the
 * highest that `object` has accepted. `raises` objects remember the number; others are only looked at.
 */
export interface Claim {
  readonly object: string
  readonly number: number
  readonly raises: boolean
}

/**
 * Refuses with `FENCED`, effect `none`, unless every claim holds; then remembers them for ever, also when the call is
 * refused for another reason later: that somebody took over is a fact of its own.
 */
export function claim(store: Store, claims: readonly Claim[]): void {
  for (const { object, number } of claims) {
    const row = store.one<{ fence: number }>('SELECT fence FROM fences WHERE object = ?', object)
    if (row && number < row.fence) {
      throw new PluginError('FENCED', `${object} was taken over: ${number} is below ${row.fence}`, 'none')
    }
  }
  const sql = 'INSERT INTO fences VALUES (?, ?) ON CONFLICT(object) DO UPDATE SET fence = excluded.fence'
  for (const { object, number, raises } of claims) if (raises) store.run(sql, object, number)
}
