import { Refusal } from '../domain/failures.ts'
import { archiveCollect } from '../sagas/archive-collect.ts'
import { archiveDrill } from '../sagas/archive-drill.ts'
import { anyArchived, isInArchive, wasWritten } from '../store/archive-upkeep.ts'
import { lockArchive } from '../store/archives.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Submits a collection of an archive. Refuses where nothing was ever archived there. Callers are operators. */
export async function collectArchive(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const archive = certain(await lockArchive(tx, id), 'id')
    if (!(await wasWritten(tx, id)))
      throw new Refusal('INVALID', `Nothing was ever archived in ${archive.name}: there is nothing to collect`)
    const description = `Removing from archive ${archive.name} what no snapshot refers to`
    const operation = await submit(tx, by, {
      command: 'collectImageStore',
      head: archiveCollect,
      input: { archive: id },
      event: { type: 'IMAGE.STORE.COLLECT', description, resource: { kind: 'ImageStore', id } },
    })
    return { operation, id }
  })
}

/**
 * Submits a restore drill: of `snapshot`, or of any that is there. Refuses where the archive does not hold it, or none. Callers
 * are operators.
 */
export async function drillArchive(
  by: By,
  { archive: id, snapshot }: { readonly archive: string; readonly snapshot?: string },
): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const archive = certain(await lockArchive(tx, id), 'id')
    const chosen = snapshot ?? (await anyArchived(tx, id))
    if (chosen === undefined) throw new Refusal('INVALID', `Archive ${archive.name} holds no snapshot`)
    if (!(await isInArchive(tx, { archive: id, snapshot: chosen })))
      throw new Refusal('INVALID', `Invalid parameter snapshotid: archive ${archive.name} does not hold it`)
    const description = `Checking all that restoring snapshot ${chosen} from archive ${archive.name} would take`
    const operation = await submit(tx, by, {
      command: 'drillImageStore',
      head: archiveDrill,
      input: { archive: id, snapshot: chosen },
      event: { type: 'IMAGE.STORE.DRILL', description, resource: { kind: 'ImageStore', id } },
    })
    return { operation, id }
  })
}
