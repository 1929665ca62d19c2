import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { newDirectoryArchive } from '@moorage/archive-directory'
import type { ArchiveSubject } from '../archive/subject.ts'

/** A temporary directory as an archive, one for each case, with small pages so that paging is tried. */
export function directoryArchiveSubject(): ArchiveSubject {
  const plugin = newDirectoryArchive({ pageItems: 7 })
  return {
    lacks: {},
    async make() {
      const path = await mkdtemp(join(tmpdir(), 'archive-'))
      const endpoint = { url: pathToFileURL(path).href, settings: {}, owner: randomUUID() }
      return {
        store: plugin.open(endpoint),
        plugin: { plugin, endpoint },
        peek: (key) => readFile(join(path, key)).catch(() => undefined),
        dispose: () => rm(path, { recursive: true }),
      }
    },
  }
}
