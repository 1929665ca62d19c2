import { directoryArchive } from '@moorage/archive-directory'
import { s3Archive } from '@moorage/archive-s3'
import { type ArchiveAccess, type ArchivePlugin, type ArchiveStore, PluginError } from '@moorage/contract'

/** The archive plug-ins that this mover has. */
export const ARCHIVES: readonly ArchivePlugin[] = [directoryArchive, s3Archive]

/** Opens the store of an archive, without I/O. `UNSUPPORTED` when there is no such plug-in. */
export function openStore({ plugin, endpoint }: Pick<ArchiveAccess, 'plugin' | 'endpoint'>): ArchiveStore {
  const found = ARCHIVES.find(({ name }) => name === plugin)
  if (found) return found.open(endpoint)
  const names = ARCHIVES.map(({ name }) => name).join(', ')
  throw new PluginError('UNSUPPORTED', `archive.plugin: this mover has ${names}`, 'none')
}
