import type { ArchiveObject, ArchiveStore, Call } from '@moorage/contract'
import { damaged } from './layout.ts'

export type { ArchiveStore } from '@moorage/contract'

/** All objects whose key begins with the prefix, in the byte order of their keys. */
export async function listAll(store: ArchiveStore, prefix: string, call: Call): Promise<readonly ArchiveObject[]> {
  const found: ArchiveObject[] = []
  let cursor: string | undefined
  do {
    const page = await store.list(prefix, cursor, call)
    found.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return found
}

/** An object that a listing has shown, or another object has named. `DAMAGED` when it is not there. */
export async function mustGet(store: ArchiveStore, key: string, call: Call): Promise<Uint8Array> {
  const bytes = await store.get(key, undefined, call)
  if (bytes === undefined) throw damaged(key, 'is not there')
  return bytes
}

/** Runs `work` on each item, `width` at a time. Throws the first failure once what had begun has ended. */
export async function forEach<Item>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  let failed: { readonly error: unknown } | undefined
  const lane = async () => {
    for (;;) {
      const next = rest.next()
      if (failed || next.done === true) return
      try {
        await work(next.value)
      } catch (error) {
        failed ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: width }, lane))
  if (failed) throw failed.error
}
