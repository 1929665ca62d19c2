import type { Qos } from '@moorage/contract'
import type { Store } from '../store.ts'

/** When the bucket of a volume is empty again, by volume; as all buckets are, gone with the process. */
const levels = new WeakMap<Store, Map<string, number>>()

/** What a bucket holds: as much as passes in a second. */
const BUCKET_MS = 1000

/**
 * For how many milliseconds the limits of a volume hold back one more write: a leaky bucket that lets a second's worth
 * pass at once, filled by the axis on which the write weighs most.
 */
export function heldBack(store: Store, volume: string, write: { readonly qos: Qos; readonly bytes: number }): number {
  const { qos, bytes } = write
  const operations = Math.min(qos.totalIops?.max ?? Infinity, qos.writeIops?.max ?? Infinity)
  const rate = Math.min(qos.totalBytes?.max ?? Infinity, qos.writeBytes?.max ?? Infinity)
  const weightMs = 1000 * Math.max(1 / operations, bytes / rate)
  if (weightMs === 0) return 0
  const known = levels.get(store) ?? new Map<string, number>()
  levels.set(store, known)
  const now = Date.now()
  const level = Math.max(known.get(volume) ?? 0, now) + weightMs
  known.set(volume, level)
  return Math.max(0, level - now - BUCKET_MS)
}
