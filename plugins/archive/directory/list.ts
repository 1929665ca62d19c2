import type { Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ArchiveObject, archiveKeyFault, type Page } from '@moorage/contract'
import { unlessAbsent } from '@moorage/files'

/** What of a directory is listed. */
interface Wanted {
  readonly prefix: string
  /** Only keys behind this one. */
  readonly after: string
  /** Most objects of a page. */
  readonly most: number
  /** Called before each directory is read; throws when the caller waits no longer. */
  readonly checkTime: () => void
}

/** A page of the files below a directory as objects, in the byte order of their keys. */
export async function listObjects(root: string, wanted: Wanted): Promise<Page<ArchiveObject>> {
  const items: ArchiveObject[] = []
  for await (const item of walk(root, '', wanted)) {
    const last = items.at(-1)
    if (last && items.length === wanted.most) return { items, next: last.key }
    items.push(item)
  }
  return { items }
}

/** A file as an object. */
export function objectOf(key: string, { size, mtimeMs }: Stats): ArchiveObject {
  return { key, bytes: size, writtenAt: Math.trunc(mtimeMs) }
}

async function* walk(root: string, base: string, wanted: Wanted): AsyncGenerator<ArchiveObject> {
  wanted.checkTime()
  const entries = (await unlessAbsent(readdir(join(root, base), { withFileTypes: true }))) ?? []
  // With the `/` that all keys in a folder have, names sort as keys do: keys are ASCII.
  const names = entries
    .filter(({ name }) => archiveKeyFault(name) === undefined)
    .map((entry) => (entry.isDirectory() ? `${base}${entry.name}/` : `${base}${entry.name}`))
  for (const name of names.toSorted()) {
    if (name.endsWith('/')) {
      if (mayHold(name, wanted)) yield* walk(root, name, wanted)
    } else if (name.startsWith(wanted.prefix) && name > wanted.after) {
      const found = await unlessAbsent(stat(join(root, name)))
      if (found?.isFile()) yield objectOf(name, found)
    }
  }
}

/** Whether keys that begin with the folder may be wanted. */
function mayHold(folder: string, { prefix, after }: Wanted): boolean {
  return (folder.startsWith(prefix) || prefix.startsWith(folder)) && (after < folder || after.startsWith(folder))
}
