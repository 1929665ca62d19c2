import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { VM_MACHINE } from '../domain/vm.ts'
import type { Under } from '../jobs/saga.ts'
import { attachmentsOfVm } from '../store/attachments.ts'
import { connectionsTo, intendConnection } from '../store/connections.ts'
import type { HostRow, VmRow } from '../store/generated/schema.ts'
import { hold } from '../store/held.ts'
import { hostById } from '../store/hosts.ts'
import { locationsOf } from '../store/locations.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm } from '../store/vms.ts'
import { chapAccountOf, lockVolumes } from '../store/volumes.ts'
import type { Grant } from './access.ts'
import { throttleOf } from './attaching.ts'
import { chargeOf, choose, type ChosenHost, hostRequest, lockedLoads } from './choosing.ts'
import {
  checkThrottle,
  type Machine,
  machineOf,
  type Opening,
  servingPools,
  type StartingDisk,
  type VmDisk,
} from './start-begin.ts'

/** Move `vm` to another host while it runs: to `host` when given. `from`: only if it is on that host still. */
export interface VmMigrateInput {
  readonly vm: string
  readonly host?: string
  readonly from?: string
}

/** What a migration decided. Plain data: it stands in the journal. */
export interface Migrating {
  readonly vm: string
  readonly from: string
  readonly to: string
  readonly machine: Machine
  /** As the destination is to have them. */
  readonly disks: readonly StartingDisk[]
  /** What the source has. */
  readonly left: readonly Grant[]
}

/** Chooses where the VM goes, and holds it in state Migrating. Throws `Refusal` for what cannot move, saying why. */
export async function beginMigration(
  deps: Opening,
  tx: Tx,
  { input, under }: { readonly input: VmMigrateInput; readonly under: Under },
): Promise<Migrating> {
  const vm = await lockVm(tx, input.vm)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
  const state = next(VM_MACHINE, vm.state, { event: 'MigrationRequested', of: `Virtual machine ${vm.id}` })
  if (input.from !== undefined && input.from !== vm.hostId)
    throw new Refusal('INVALID', `Virtual machine ${vm.id} is not on the host from which it was to migrate`)
  await hold(tx, 'vm', { id: vm.id, operation: under.operation })
  const disks = await pluggedDisks(tx, vm)
  const { host, source } = await destination(deps, tx, { vm, input, disks })
  await updateVm(tx, vm.id, { state, targetHostId: host.id })
  const volumes = disks.map(({ volume }) => volume.id)
  const going = await disksThere(tx, disks, host)
  for (const { grant, generation } of going) await intendConnection(tx, { ...grant, generation })
  return {
    vm: vm.id,
    from: source.id,
    to: host.id,
    machine: await machineOf(tx, vm, disks),
    disks: going,
    left: (await connectionsTo(tx, volumes)).filter((grant) => grant.host === source.id),
  }
}

/** The disks of a running VM. One that is only half there cannot move: nobody knows what the destination should have. */
async function pluggedDisks(tx: Tx, vm: VmRow): Promise<readonly VmDisk[]> {
  const attachments = await attachmentsOfVm(tx, vm.id)
  const volumes = await lockVolumes(
    tx,
    attachments.map(({ volumeId }) => volumeId),
  )
  return attachments.map((attachment) => {
    const volume = volumes.find(({ id }) => id === attachment.volumeId)
    if (!volume) throw new Error(`attachment names volume ${attachment.volumeId}, which does not exist`)
    if (attachment.desired === 'attached' && attachment.actual === 'attached') return { volume, attachment }
    throw new Refusal(
      'INVALID',
      `Volume ${volume.id} of virtual machine ${vm.id} is being detached: it cannot migrate until that is done`,
    )
  })
}

async function destination(
  deps: Opening,
  tx: Tx,
  what: { readonly vm: VmRow; readonly input: VmMigrateInput; readonly disks: readonly VmDisk[] },
): Promise<{ readonly host: ChosenHost; readonly source: HostRow }> {
  const { vm, input, disks } = what
  const source = vm.hostId === null ? undefined : await hostById(tx, vm.hostId)
  if (source?.state !== 'Up')
    throw new Refusal(
      'UNAVAILABLE',
      `The host of virtual machine ${vm.id} does not answer: it cannot migrate from there`,
    )
  const volumes = disks.map(({ volume }) => volume.id)
  const pools = await servingPools(deps, tx, await locationsOf(tx, volumes))
  const single = pools.find(({ limits }) => (limits.maxWriters ?? 2) < 2)
  if (single)
    throw new Refusal('INVALID', `Virtual machine ${vm.id} has a volume that one host at a time may write`, {
      internal: `pool ${single.name}`,
    })
  const request = await hostRequest(tx, {
    vm,
    deviceIds: disks.map(({ attachment }) => attachment.deviceId),
    pools,
    charge: chargeOf(disks.map(({ attachment }) => attachment)),
  })
  const host = choose(
    {
      ...request,
      from: { host: source.id, plugin: source.plugin },
      ...(input.host === undefined ? {} : { host: input.host }),
    },
    await lockedLoads(deps, tx, vm.zoneId),
    `There is no host to which virtual machine ${vm.id} can migrate`,
  )
  return { host, source }
}

/** The same disks on the other host: same generation, since nothing is attached anew. */
async function disksThere(tx: Tx, disks: readonly VmDisk[], host: ChosenHost): Promise<readonly StartingDisk[]> {
  const locations = await locationsOf(
    tx,
    disks.map(({ volume }) => volume.id),
  )
  const there: StartingDisk[] = []
  for (const { volume, attachment } of disks) {
    const location = locations.get(volume.id)
    if (!location) throw new Error(`volume ${volume.id} is plugged and lives nowhere`)
    const throttle = throttleOf(volume, location.qosTier)
    checkThrottle(volume, throttle, host)
    const account = await chapAccountOf(tx, volume.accountId)
    const grant = { volume: volume.id, host: host.id, pool: location.poolId, initiator: host.initiator, account }
    there.push({ generation: attachment.generation, deviceId: attachment.deviceId, throttle, grant })
  }
  return there
}
