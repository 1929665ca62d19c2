import { Refusal } from '../domain/failures.ts'
import { lockArchive, updateArchive } from '../store/archives.ts'
import { copiesInArchive } from '../store/snapshots.ts'
import { templatesInArchive } from '../store/templates.ts'
import { archiveKey } from '../store/registrations.ts'
import { certain } from './certain.ts'
import { type By, note } from './submit.ts'

/** What to change of an archive; absent means as it is. */
export interface ArchiveChange {
  readonly archive: string
  readonly name?: string
  /** True: nothing new is written there. */
  readonly readOnly?: boolean
  readonly capacityBytes?: number
  /** Seconds from one collection, or restore drill, to the next; 0: never. */
  readonly collectInterval?: number
  readonly drillInterval?: number
}

/** Changes what is recorded of an archive. Callers are operators. */
export async function changeArchive(by: By, change: ArchiveChange): Promise<void> {
  const { archive: id, ...changes } = change
  const { capacityBytes } = changes
  if (capacityBytes !== undefined && capacityBytes <= 0)
    throw new Refusal('INVALID', 'Invalid parameter capacitybytes: it must be above 0')
  await by.system.store.transact(async (tx) => {
    const archive = certain(await lockArchive(tx, id), 'id')
    await updateArchive(tx, id, changes)
    await note(tx, by, {
      type: 'IMAGE.STORE.UPDATE',
      description: `Changed archive ${archive.name}`,
      resource: { kind: 'ImageStore', id },
    })
  })
}

/** Forgets an archive in which no snapshot and no template is; nothing in the store is touched. Callers are operators. */
export async function removeArchive(by: By, id: string): Promise<void> {
  await by.system.store.transact(async (tx) => {
    const archive = certain(await lockArchive(tx, id), 'id')
    const [copies, templates] = [await copiesInArchive(tx, id), await templatesInArchive(tx, id)]
    if (copies > 0)
      throw new Refusal(
        'INVALID',
        `Archive ${archive.name} cannot be deleted: it holds ${copies} snapshots. Delete them, or archive them elsewhere, first`,
      )
    if (templates > 0)
      throw new Refusal(
        'INVALID',
        `Archive ${archive.name} cannot be deleted: it holds ${templates} templates. Delete them first`,
      )
    await updateArchive(tx, id, { removedAt: new Date() })
    await note(tx, by, {
      type: 'IMAGE.STORE.DELETE',
      description: `Removed archive ${archive.name}`,
      resource: { kind: 'ImageStore', id },
    })
  })
}

/**
 * The key of an archive, to be kept where the archive can be read without us: whoever has it and the store reads everything
 * in it. An event tells that it was given out. Throws `Refusal` `INVALID` for an archive that is not encrypted. Callers are
 * root administrators.
 */
export async function exportArchiveKey(by: By, id: string): Promise<string> {
  return by.system.store.transact(async (tx) => {
    const archive = certain(await lockArchive(tx, id), 'id')
    const key = archiveKey(by.system.store, archive)
    if (key === undefined) throw new Refusal('INVALID', `Archive ${archive.name} is not encrypted: it has no key`)
    await note(tx, by, {
      type: 'IMAGE.STORE.KEY.EXPORT',
      description: `The key of archive ${archive.name} was given out`,
      resource: { kind: 'ImageStore', id },
    })
    return key
  })
}
