import { Refusal } from '../domain/failures.ts'
import { diskSlots } from '../domain/volume.ts'
import type { HostCharge } from '../placement/charges.ts'
import { chooseHost, type HostLoad, type HostRequest } from '../placement/choose-host.ts'
import type { PoolFacts } from '../placement/facts.ts'
import type { AttachmentRow, VmRow } from '../store/generated/schema.ts'
import { chargesOfHosts } from '../store/host-charges.ts'
import { lockHosts, memoryInUse } from '../store/hosts.ts'
import { cutOffPools } from '../store/pool-reach.ts'
import type { Tx } from '../store/store.ts'
import { offeringById } from '../store/volumes.ts'
import type { SagaDeps } from './deps.ts'
import { hostLoads } from './facts.ts'

/** A host with the name under which it logs in. */
export type ChosenHost = HostLoad & { readonly initiator: string }

/** What the VM needs of a host. */
export async function hostRequest(
  tx: Tx,
  what: {
    readonly vm: VmRow
    /** Of its disks. */
    readonly deviceIds: readonly number[]
    readonly pools: readonly PoolFacts[]
    /** What the host is to throttle. */
    readonly charge: HostCharge
  },
): Promise<HostRequest> {
  const { vm, deviceIds, pools, charge } = what
  const offering = await offeringById(tx, vm.offeringId)
  return {
    zoneId: vm.zoneId,
    hypervisor: vm.hypervisor,
    cpus: vm.cpus,
    memoryBytes: vm.memoryBytes,
    tags: offering?.hostTags ?? [],
    disks: diskSlots(vm, deviceIds),
    pools,
    charge,
    ...(vm.lastHostId === null ? {} : { last: vm.lastHostId }),
  }
}

/** The hosts of a zone with what is promised there, their rows locked. */
export async function lockedLoads(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  tx: Tx,
  zone: string,
): Promise<readonly ChosenHost[]> {
  const rows = await lockHosts(tx, zone)
  return hostLoads(deps, rows, await knownOf(tx, zone, rows))
}

/** What is recorded of hosts beside their rows, for `hostLoads`. */
export async function knownOf(tx: Tx, zone: string, rows: readonly { readonly id: string }[]) {
  const ids = rows.map(({ id }) => id)
  return {
    memory: await memoryInUse(tx, zone),
    cutOff: await cutOffPools(tx, ids),
    charges: await chargesOfHosts(tx, ids),
  }
}

/** The host that `chooseHost` takes. Throws `Refusal` `NO_CAPACITY` with `sentence`, and internally every host's reason. */
export function choose(request: HostRequest, loads: readonly ChosenHost[], sentence: string): ChosenHost {
  const choice = chooseHost(request, loads)
  const chosen = 'host' in choice ? loads.find(({ id }) => id === choice.host) : undefined
  if (chosen) return chosen
  const why = 'refused' in choice ? choice.refused.map(({ host, why }) => `${host}: ${why}`).join(' | ') : ''
  throw new Refusal('NO_CAPACITY', sentence, { internal: why })
}

/** What a host is charged for the disks of attachments, as they were when they were attached, or changed since. */
export function chargeOf(attachments: readonly Pick<AttachmentRow, 'chargedIops' | 'chargedRate'>[]): HostCharge {
  return {
    iops: attachments.reduce((sum, { chargedIops }) => sum + chargedIops, 0),
    rate: attachments.reduce((sum, { chargedRate }) => sum + chargedRate, 0),
  }
}
