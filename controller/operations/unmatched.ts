import { recordEvent } from '../store/events.ts'
import type { Tx } from '../store/store.ts'
import { type Unmatched, unmatchedVolumes } from '../store/unmatched.ts'

/** Whose tags were changed just now. */
type Changed = { readonly pool: string; readonly name: string } | { readonly offering: string; readonly name: string }

/**
 * Tells operators, by an event and so an alert, which volumes live where their disk offering would not put them any more now
 * that tags were changed. Nothing is moved. Nothing is told where all fit.
 */
export async function tellUnmatched(tx: Tx, changed: Changed): Promise<void> {
  const { count, names } = await unmatchedVolumes(tx, changed)
  if (count === 0) return
  const atPool = 'pool' in changed
  await recordEvent(tx, {
    type: atPool ? 'STORAGE.POOL.TAGS.UNMATCHED' : 'DISK.OFFERING.TAGS.UNMATCHED',
    level: 'WARN',
    state: 'Completed',
    description: atPool
      ? `Storage pool ${changed.name} does not carry all tags of the disk offerings of ${some({ count, names })}. They stay there; listVolumes tagsmatch=false lists them`
      : `The tags of disk offering ${changed.name} are not all carried by the storage pools of ${some({ count, names })}. They stay there; listVolumes tagsmatch=false lists them`,
    resource: atPool ? { kind: 'StoragePool', id: changed.pool } : { kind: 'DiskOffering', id: changed.offering },
  })
}

function some({ count, names }: Unmatched): string {
  const more = count > names.length ? ` and ${count - names.length} more` : ''
  return `${count} ${count === 1 ? 'volume' : 'volumes'}: ${names.join(', ')}${more}`
}
