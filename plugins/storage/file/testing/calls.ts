import { randomUUID } from 'node:crypto'
import type { Call, Consumer, HostId, Id, StorageProvider } from '@moorage/contract'

let fence = 0

/** A call with a fence above all before it in this process, unless told otherwise. */
export function call(options: { readonly fence?: number; readonly ms?: number } = {}): Call {
  const { ms = 20_000 } = options
  fence = options.fence ?? fence + 1
  return { key: randomUUID(), fence, deadline: Date.now() + ms, signal: AbortSignal.timeout(ms) }
}

/** A fresh id of any kind. */
export function newId<Kind extends string>(): Id<Kind> {
  return randomUUID() as Id<Kind> // A random UUID is a valid id of whatever kind it is used for.
}

/** A host that has never been seen before. */
export function newHost(): Consumer {
  const id: HostId = newId()
  return { kind: 'host', id, initiator: `iqn.2026-01.moorage.test:${id}` }
}

/** A provider of raw files: every facet that reflinks give is there. */
export type RawProvider = StorageProvider &
  Required<Pick<StorageProvider, 'snapshots' | 'clones' | 'resize' | 'revert' | 'changeList'>>

/** Everything of ours in the pool, as `kind id`, sorted. */
export async function ours(provider: StorageProvider): Promise<readonly string[]> {
  const { items } = await provider.inventory.list(undefined, call())
  return items
    .flatMap((item) => {
      if (item.owner === 'foreign') return []
      return [item.kind === 'exposure' ? `exposure ${item.source.id} ${item.consumer}` : `${item.kind} ${item.id}`]
    })
    .toSorted()
}
