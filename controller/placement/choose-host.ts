import type { HostCharge } from './charges.ts'
import type { HostFacts, PoolFacts } from './facts.ts'
import { reaches, speaks } from './filters.ts'
import { hostRoom } from './host-room.ts'

/** A host with what runs there already. Memory in bytes. */
export interface HostLoad extends HostFacts {
  /** Name of its plug-in: machines migrate between hosts of one. */
  readonly plugin: string
  readonly state: string
  readonly resourceState: string
  readonly tags: readonly string[]
  readonly cpus: number
  readonly memoryBytes: number
  readonly usedMemoryBytes: number
}

/** What a VM needs of a host. `pools` hold its volumes. */
export interface HostRequest {
  readonly zoneId: string
  readonly hypervisor: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly tags: readonly string[]
  readonly disks: number
  readonly pools: readonly Pick<
    PoolFacts,
    'id' | 'zoneId' | 'scope' | 'clusterId' | 'hostId' | 'hypervisor' | 'protocols'
  >[]
  /** What the host is to throttle, by the VM's volumes that live somewhere. */
  readonly charge: HostCharge
  /** Only this host will do. */
  readonly host?: string
  /** Where it ran last: preferred when it fits. */
  readonly last?: string
  /** Where it runs, when it is to go on elsewhere without a stop: that host is none, and both must migrate. */
  readonly from?: { readonly host: string; readonly plugin: string }
}

/** The host chosen, or why each was refused. */
export type HostChoice =
  | { readonly host: string }
  | { readonly refused: readonly { readonly host: string; readonly why: string }[] }

/** Chooses where a VM runs: the last host if it fits, else the one with most memory left; equals go by id. Pure. */
export function chooseHost(request: HostRequest, hosts: readonly HostLoad[]): HostChoice {
  const judged = hosts.map((host) => ({ host, why: unfit(request, host) }))
  const fitting = judged.filter(({ why }) => why === undefined).map(({ host }) => host)
  const [best] = fitting.toSorted(
    (one, other) =>
      Number(other.id === request.last) - Number(one.id === request.last) ||
      left(other) - left(one) ||
      (one.id < other.id ? -1 : 1),
  )
  if (best) return { host: best.id }
  return { refused: judged.map(({ host, why }) => ({ host: host.name, why: why ?? '' })) }
}

function left(host: HostLoad): number {
  return host.memoryBytes - host.usedMemoryBytes
}

/** Why a VM cannot run on the host; `undefined` when it can. Pure. */
export function unfit(request: HostRequest, host: HostLoad): string | undefined {
  const { from } = request
  if (from?.host === host.id) return 'is where it runs'
  if (request.host !== undefined && request.host !== host.id) return 'is not the host asked for'
  if (host.zoneId !== request.zoneId) return 'is in another zone'
  if (host.hypervisor.toLowerCase() !== request.hypervisor.toLowerCase()) return `runs ${host.hypervisor}`
  if (host.state !== 'Up') return `is ${host.state}`
  if (host.resourceState !== 'Enabled') return `is ${host.resourceState}`
  if (from && from.plugin !== host.plugin) return 'is of another kind'
  if (from && !host.can.has('migration')) return 'does not take machines that run'
  const missing = request.tags.filter((tag) => !host.tags.includes(tag))
  if (missing.length > 0) return `lacks tag ${missing.join(', ')}`
  if (host.cpus < request.cpus) return `has ${host.cpus} CPUs, ${request.cpus} are needed`
  if (left(host) < request.memoryBytes)
    return `has ${left(host)} bytes of memory left, ${request.memoryBytes} are needed`
  if (host.limits.maxDisksPerVm < request.disks)
    return `takes ${host.limits.maxDisksPerVm} disks per VM, ${request.disks} are needed`
  const room = hostRoom(host.ledger, request.charge)
  if (!room.passed) return room.text
  if (request.pools.some((pool) => !reaches(host, pool))) return 'does not reach a pool of the volumes'
  if (request.pools.some((pool) => host.cutOff.has(pool.id))) return 'is cut off from a pool of the volumes'
  if (request.pools.some((pool) => !speaks(host, pool))) return 'does not speak the protocol of a pool of the volumes'
  return undefined
}
