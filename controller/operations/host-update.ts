import { Refusal } from '../domain/failures.ts'
import { chargesOfHosts } from '../store/host-charges.ts'
import { lockHost, updateHost } from '../store/hosts.ts'
import { certain } from './certain.ts'
import { type By, note } from './submit.ts'

/** What to change of a host; absent means as it is. `allocation`: whether VMs are placed there. */
export interface HostChange {
  readonly host: string
  readonly name?: string
  readonly tags?: readonly string[]
  readonly allocation?: string
  /** What the host may draw for disks that it throttles itself, per second; 0: as much as it can. */
  readonly capacityIops?: number
  readonly capacityRate?: number
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
    const charged = (await chargesOfHosts(tx, [host.id])).get(host.id) ?? { iops: 0, rate: 0 }
    checkCap('capacityiops', change.capacityIops, { charged: charged.iops, factor: host.qosFactor })
    checkCap('capacitybytesrate', change.capacityRate, { charged: charged.rate, factor: host.qosFactor })
    await updateHost(tx, host.id, {
      ...(change.capacityIops === undefined ? {} : { capacityIops: change.capacityIops || null }),
      ...(change.capacityRate === undefined ? {} : { capacityRate: change.capacityRate || null }),
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

function checkCap(
  parameter: string,
  cap: number | undefined,
  { charged, factor }: { readonly charged: number; readonly factor: number },
): void {
  if (cap === undefined || cap === 0) return
  if (cap < 0) throw new Refusal('INVALID', `Invalid parameter ${parameter}: it must not be below 0`)
  if (Math.floor(cap * factor) < charged)
    throw new Refusal(
      'INVALID',
      `Invalid parameter ${parameter}: ${charged} are promised to disks there already, so it must be at least ${Math.ceil(charged / factor)}`,
    )
}
