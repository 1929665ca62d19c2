import type { ArchivePlugin } from '@moorage/contract'
import { directoryOf, MOUNTED_SETTING } from '@moorage/files'
import { newDirectoryStore, type StoreOptions } from './store.ts'

/**
 * Archives in a directory: local, or an NFS that is mounted. The url is `file:///DIRECTORY`. Every object is a file under
 * its key; what the plug-in keeps for itself is in `.moorage-archive`.
 */
export function newDirectoryArchive(options: StoreOptions = {}): ArchivePlugin {
  return {
    kind: 'archive',
    name: 'directory',
    title: 'Directory or mounted NFS (a file per object)',
    contract: 1,
    schemes: ['file'],
    settings: [MOUNTED_SETTING],
    open: ({ url, settings }) => newDirectoryStore(directoryOf(url, settings['mounted']), options),
  }
}

/** The plug-in as it ships. */
export const directoryArchive: ArchivePlugin = newDirectoryArchive()
