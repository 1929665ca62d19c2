import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import type { Under } from '../jobs/saga.ts'
import { reaches, speaks } from '../placement/filters.ts'
import { attachmentOf } from '../store/attachments.ts'
import { connectionsTo } from '../store/connections.ts'
import { isFoundIn } from '../store/findings.ts'
import type { AttachmentRow, LocationRow, VmRow, VolumeRow } from '../store/generated/schema.ts'
import { hold } from '../store/held.ts'
import { allHosts, hostById } from '../store/hosts.ts'
import { locationOf } from '../store/locations.ts'
import { cutOffPools } from '../store/pool-reach.ts'
import { pinPools } from '../store/pools.ts'
import { secondPools } from '../store/reservations.ts'
import { copiesOfVolume } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { chapAccountOf, lockVolume, updateVolume } from '../store/volumes.ts'
import type { Grant } from './access.ts'
import { checkReachable, type Reader } from './attaching.ts'
import type { SagaDeps } from './deps.ts'
import { hostFacts, poolFacts } from './facts.ts'
import { placeElsewhere, type VolumePlan } from './placing.ts'

/** Move `volume` to `pool`; `live`: also while a running VM uses it. */
export interface VolumeMigrateInput {
  readonly volume: string
  readonly pool: string
  readonly live?: boolean
}

/** What a move decided. Plain data: it stands in the journal. */
export interface Moving {
  readonly operation: string
  readonly from: { readonly pool: string; readonly name: string; readonly bytes: number }
  readonly plan: VolumePlan
  /** Whose disk it is while it is copied: the VM that it is attached to, or a machine that runs for that only. */
  readonly machine: {
    readonly id: string
    readonly host: string
    readonly generation: number
    /** It is there only to carry the volume from one pool to the other. */
    readonly carrier: boolean
  }
  /** Access that the host is given: to the target, and a carrier's to where the volume is now. */
  readonly grants: readonly (Grant & { readonly account: string })[]
  /** Access that is withdrawn once the volume has moved. */
  readonly left: readonly Grant[]
}

/** What `begin` decided; `move` absent: the volume lives in that pool already. */
export interface MoveBegun {
  readonly volume: string
  readonly move?: Moving
}

type Opening = Pick<SagaDeps, 'store' | 'plugins'>

/** Reserves room in the other pool, and holds the volume in state Migrating. Throws `Refusal` for what cannot move, saying why. */
export async function beginMove(
  deps: Opening,
  tx: Tx,
  { input, under }: { readonly input: VolumeMigrateInput; readonly under: Under },
): Promise<MoveBegun> {
  const volume = await lockVolume(tx, input.volume)
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  const state = next(VOLUME_MACHINE, volume.state, { event: 'MigrationRequested', of: `Volume ${volume.id}` })
  const location = await locationOf(tx, volume.id)
  if (!location) throw new Refusal('INVALID', `Volume ${volume.id} has no place in any storage pool yet`)
  await hold(tx, 'volume', { id: volume.id, operation: under.operation })
  if (location.poolId === input.pool) return { volume: volume.id }
  await checkMovable(tx, volume, input)
  const attachment = await attachmentOf(tx, volume.id)
  const vm = attachment && (await lockVm(tx, attachment.vmId))
  const from = { pool: location.poolId, name: location.name ?? volume.id, bytes: location.bytes }
  const accesses = await connectionsTo(tx, [volume.id])
  const running = vm && attachment && isUsed(vm) ? { vm, attachment } : undefined
  if (running) checkLive(running, { input, accesses })
  const reader = running
    ? await hostOfVm(deps, tx, { vm: running.vm, volume, location })
    : await carrierHost(deps, tx, { volume, location, pool: input.pool })
  const plan = await placeElsewhere(tx, deps, { volume, location, pool: input.pool, hosts: [reader.facts], under })
  const generation = running ? running.attachment.generation : volume.generation + 1
  await updateVolume(tx, volume.id, { state, generation: Math.max(volume.generation, generation) })
  const { id: host } = reader.facts
  const grant = {
    volume: volume.id,
    host,
    initiator: reader.initiator,
    account: await chapAccountOf(tx, volume.accountId),
  }
  const [there, here] = [
    { ...grant, pool: plan.pool },
    { ...grant, pool: from.pool },
  ]
  const machine = { id: running?.vm.id ?? volume.id, host, generation, carrier: running === undefined }
  // A carrier's host is given both, and keeps neither.
  const move = running
    ? { grants: [there], left: accesses }
    : { grants: [there, here], left: [here, there, ...accesses.filter((access) => access.host !== host)] }
  return { volume: volume.id, move: { operation: under.operation, from, plan, machine, ...move } }
}

async function checkMovable(tx: Tx, volume: VolumeRow, { pool }: VolumeMigrateInput): Promise<void> {
  const [row] = await pinPools(tx, [pool])
  if (!row || row.removedAt) throw new Refusal('NOT_FOUND', `There is no storage pool ${pool}`)
  if (row.zoneId !== volume.zoneId)
    throw new Refusal('INVALID', `Volume ${volume.id} and the storage pool are in different zones`)
  if ((await copiesOfVolume(tx, volume.id)) > 0) {
    throw new Refusal(
      'INVALID',
      `Volume ${volume.id} has snapshots on its storage pool, which cannot move with it: delete them first`,
    )
  }
  const there = await secondPools(tx, volume.id)
  if (there.includes(pool) || (await isFoundIn(tx, { volume: volume.id, pool }))) {
    throw new Refusal(
      'INVALID',
      `An earlier copy of volume ${volume.id} is still in that storage pool: it can move there once the recycle bin has let it go`,
    )
  }
}

function isUsed(vm: VmRow): boolean {
  return vm.state !== 'Stopped' && vm.state !== 'Destroyed'
}

/** Throws `Refusal` `INVALID` where the volume cannot move under its VM. */
function checkLive(
  { vm, attachment }: { readonly vm: VmRow; readonly attachment: AttachmentRow },
  { input, accesses }: { readonly input: VolumeMigrateInput; readonly accesses: readonly Grant[] },
): void {
  if (vm.state !== 'Running')
    throw new Refusal('INVALID', `Virtual machine ${vm.id} is ${vm.state}: its volumes cannot move until that is over`)
  if (input.live !== true) {
    throw new Refusal(
      'INVALID',
      `Volume ${input.volume} is used by a running virtual machine: ask for livemigrate=true, or stop it first`,
    )
  }
  if (attachment.desired !== 'attached' || attachment.actual !== 'attached')
    throw new Refusal('INVALID', `Volume ${input.volume} is being detached: it cannot move until that is done`)
  if (accesses.some(({ host }) => host !== vm.hostId))
    throw new Refusal(
      'INVALID',
      `Another host still has access to volume ${input.volume}: it cannot move until it is withdrawn`,
    )
}

async function hostOfVm(
  deps: Opening,
  tx: Tx,
  what: { readonly vm: VmRow; readonly volume: VolumeRow; readonly location: LocationRow },
): Promise<Reader> {
  const { vm, volume, location } = what
  const row = vm.hostId === null ? undefined : await hostById(tx, vm.hostId)
  if (row?.state !== 'Up')
    throw new Refusal('UNAVAILABLE', `The host of virtual machine ${vm.id} does not answer: its volumes cannot move`)
  const facts = await hostFacts(deps, row, { cutOff: (await cutOffPools(tx, [row.id])).get(row.id) })
  await checkReachable(deps, tx, { volume, location, hosts: [facts] })
  if (!facts.can.has('mirror'))
    throw new Refusal('INVALID', `The hypervisor of virtual machine ${vm.id} does not move volumes of running machines`)
  return { facts, initiator: row.initiator }
}

/** A host that gets to both pools, to run a machine that has nothing but the volume. */
async function carrierHost(
  deps: Opening,
  tx: Tx,
  what: { readonly volume: VolumeRow; readonly location: LocationRow; readonly pool: string },
): Promise<Reader> {
  const { volume, location, pool } = what
  const rows = (await allHosts(tx, volume.zoneId)).filter(
    ({ state, resourceState }) => state === 'Up' && resourceState === 'Enabled',
  )
  const cutOff = await cutOffPools(
    tx,
    rows.map(({ id }) => id),
  )
  const pools = await Promise.all((await pinPools(tx, [location.poolId, pool])).map((row) => poolFacts(deps, row)))
  for (const row of rows) {
    const facts = await hostFacts(deps, row, { cutOff: cutOff.get(row.id) })
    if (!facts.can.has('mirror') || !pools.every((each) => reaches(facts, each) && speaks(facts, each))) continue
    await checkReachable(deps, tx, { volume, location, hosts: [facts] })
    return { facts, initiator: row.initiator }
  }
  throw new Refusal(
    'INVALID',
    `No host in service gets to both storage pools to carry volume ${volume.id} from one to the other`,
  )
}
