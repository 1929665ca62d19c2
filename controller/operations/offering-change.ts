import { Refusal } from '../domain/failures.ts'
import { removeOffering, updateOffering } from '../store/offerings.ts'
import { offeringById } from '../store/volumes.ts'
import { certain } from './certain.ts'
import { type By, carriedOut, note } from './submit.ts'
import { tellUnmatched } from './unmatched.ts'

/** What may change of an offering; absent means as it is. What it sells does not: volumes were sold it. */
export interface OfferingChange {
  readonly id: string
  readonly name?: string
  readonly displayText?: string
  readonly tags?: readonly string[]
  readonly hostTags?: readonly string[]
}

/** Renames or relabels an offering. Throws `Refusal` `INVALID` for an empty name. */
export async function changeOffering(by: By, change: OfferingChange): Promise<void> {
  if (change.name === '') throw new Refusal('INVALID', 'Invalid parameter name: it must not be empty')
  await carriedOut(by, async (tx) => {
    const offering = certain(await offeringById(tx, change.id), 'id')
    const changes = {
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.displayText === undefined ? {} : { displayText: change.displayText }),
      ...(change.tags === undefined ? {} : { tags: [...change.tags] }),
      ...(change.hostTags === undefined ? {} : { hostTags: [...change.hostTags] }),
    }
    if (Object.keys(changes).length === 0) return
    await updateOffering(tx, offering.id, changes)
    if (change.tags !== undefined)
      await tellUnmatched(tx, { offering: offering.id, name: change.name ?? offering.name })
    await note(tx, by, {
      ...eventOf(offering.kind, 'EDIT', offering.id),
      description: `Changed offering ${offering.name}`,
    })
  })
}

/** Takes an offering off sale; volumes and VMs made of it live on. */
export async function takeOffSale(by: By, id: string): Promise<void> {
  await carriedOut(by, async (tx) => {
    const offering = certain(await offeringById(tx, id), 'id')
    await removeOffering(tx, id)
    await note(tx, by, { ...eventOf(offering.kind, 'DELETE', id), description: `Removed offering ${offering.name}` })
  })
}

function eventOf(kind: 'disk' | 'service', verb: 'EDIT' | 'DELETE', id: string) {
  const [type, resource] = kind === 'disk' ? ['DISK', 'DiskOffering'] : ['SERVICE', 'ServiceOffering']
  return { type: `${type}.OFFERING.${verb}`, resource: { kind: resource, id } } as const
}
