import { join } from 'node:path'
import { exists, refuse } from '@moorage/files'

/** What the plug-in keeps for itself: no key begins with a dot. */
const OWN = '.moorage-archive'

/** Name of the file with the id of the archive, in the folder of its own. */
export const IDENTITY = 'identity'

/** The folder for what is no object. */
export function ownFolder(root: string): string {
  return join(root, OWN)
}

/** The folder of what is being written. */
export function draftsFolder(root: string): string {
  return join(root, OWN, 'drafts')
}

/**
 * Throws `UNAVAILABLE`, effect `none`, when the directory has not been made an archive: an empty one where a file server
 * should be is not an archive that has lost everything.
 */
export async function checkMade(root: string): Promise<void> {
  if (!(await exists(join(root, OWN, IDENTITY)))) throw refuse('UNAVAILABLE', `${root} is no archive, or not there`)
}
