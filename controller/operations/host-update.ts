import { Refusal } from '../domain/failures.ts'
import { lockHost, updateHost } from '../store/hosts.ts'
import { certain } from './certain.ts'
import { type By, note } from './submit.ts'

/** What to change of a host; absent means as it is. `allocation`: whether VMs are placed there. */
export interface HostChange {
  readonly host: string
  readonly name?: string
  readonly tags?: readonly string[]
  readonly allocation?: string
}

/** CloudStack's allocation states of a host, as it spells them in `updateHost`, to the resource states it lists. */
const RESOURCE_STATES: Readonly<Record<string, string>> = {
  enable: 'Enabled',
  enabled: 'Enabled',
  disable: 'Disabled',
  disabled: 'Disabled',
}

/** The resource state that an allocation state means. Throws `Refusal` `INVALID` for another word. */
export function resourceStateOf(allocation: string): string {
  const state = RESOURCE_STATES[allocation.toLowerCase()]
  if (state === undefined)
    throw new Refusal('INVALID', 'Invalid parameter allocationstate: it must be Enable or Disable')
  return state
}

/** Changes a registered host. VMs that run there are not touched. Callers are operators. */
export async function changeHost(by: By, change: HostChange): Promise<void> {
  await by.system.store.transact(async (tx) => {
    const host = certain(await lockHost(tx, change.host), 'id')
    const inMaintenance = host.resourceState !== 'Enabled' && host.resourceState !== 'Disabled'
    if (change.allocation !== undefined && inMaintenance)
      throw new Refusal('INVALID', `Invalid parameter allocationstate: host ${host.name} is in ${host.resourceState}`)
    await updateHost(tx, host.id, {
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.tags === undefined ? {} : { tags: [...change.tags] }),
      ...(change.allocation === undefined ? {} : { resourceState: resourceStateOf(change.allocation) }),
    })
    await note(tx, by, {
      type: 'HOST.UPDATE',
      description: `Changed host ${host.name}`,
      resource: { kind: 'Host', id: host.id },
    })
  })
}
