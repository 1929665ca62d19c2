import { setTimeout as pause } from 'node:timers/promises'
import { type MirrorFacet, PluginError, serialOf, type VmId, type VolumeId } from '@moorage/contract'
import type { StepContext } from '../jobs/saga.ts'
import { sealedOf, unsealConnection } from '../store/connections.ts'
import { giveAccess } from './access.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { inTurn } from './exposing.ts'
import type { Moving } from './move-begin.ts'

type Plugins = Pick<SagaDeps, 'plugins' | 'store'>

/** The connections that a host was given for a move, sealed, by pool. Plain data. */
export interface Exposed {
  readonly sealed: readonly { readonly pool: string; readonly sealed: string }[]
}

/** Between two looks at a copy: each pause is twice the one before, up to the longest. */
const SHORTEST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 1000
/** Share of the time left that is spent looking on: the rest is for saying so before the step's deadline. */
const LOOKING_SHARE = 0.8
/** What a machine needs that has no guest. */
const CARRIER_BYTES = 16 * 1024 * 1024

/** Gives the host access to the target, and a carrier's to where the volume is now. */
export async function exposeBoth(deps: Plugins, move: Moving, context: StepContext): Promise<Exposed> {
  const sealed = await inTurn(move.grants, async (grant) => ({
    pool: grant.pool,
    sealed: await giveAccess(deps, grant, keyed(context, grant.pool)),
  }))
  return { sealed }
}

/** Starts the machine that has nothing but the volume, and no guest. */
export async function runCarrier(
  deps: Plugins,
  { move, expose }: { readonly move: Moving; readonly expose: Exposed },
  context: StepContext,
): Promise<void> {
  const { machine, from } = move
  const volume = volumeOf(move)
  const disk = {
    volume,
    generation: machine.generation,
    connection: connectionTo(deps, { move, expose }, from.pool),
    mode: 'rw',
    serial: serialOf(volume),
    deviceId: 1,
    throttle: {},
  } as const
  const spec = { id: vmOf(move), name: `carrier-${machine.id}`, cpus: 1, memoryBytes: CARRIER_BYTES, disks: [disk] }
  const host = await deps.plugins.host(machine.host)
  await saying('No host could take the volume to copy it', async () =>
    host.adapter(context.log).vms.start(spec, part(context.call, 'carry')),
  )
}

/** Ends it. */
export async function stopCarrier(deps: Plugins, move: Moving, context: StepContext): Promise<void> {
  const host = await deps.plugins.host(move.machine.host)
  await saying('The host that copied the volume did not let go of it', async () =>
    host.adapter(context.log).vms.stop(vmOf(move), { force: true }, part(context.call, 'drop')),
  )
}

/** Copies until both sides were compared and are kept the same. Throws `BUSY` when that takes longer than the step may. */
export async function copyOver(
  deps: Plugins,
  what: { readonly move: Moving; readonly expose: Exposed },
  context: StepContext,
): Promise<void> {
  const { move } = what
  const { plan, machine, from } = move
  const facet = await mirrorOf(deps, move, context)
  const sealed = machine.carrier
    ? undefined
    : await sealedOf(deps.store.reader, { volume: plan.volume, host: machine.host })
  const source =
    sealed === undefined
      ? connectionTo(deps, what, from.pool)
      : unsealConnection(deps.store, { volume: plan.volume, host: machine.host }, sealed)
  const mirror = { ...keyOf(move, context), source, target: connectionTo(deps, what, plan.pool) }
  const until = Date.now() + (context.call.deadline - Date.now()) * LOOKING_SHARE
  for (let look = 1; ; look += 1) {
    const progress = await saying('The volume could not be copied to the other storage pool', async () =>
      facet.copy(vmOf(move), mirror, part(context.call, `copy/${look}`)),
    )
    if (progress.state === 'same') return
    const note = progress.state === 'copying' ? 'copied' : 'compared'
    context.progress({ done: progress.doneBytes, total: progress.totalBytes, unit: 'bytes', note })
    if (Date.now() >= until) throw new PluginError('BUSY', 'the volume is being copied', 'possible')
    await pause(Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** (look - 1)))
  }
}

/** The disk goes on in the other pool. */
export async function switchOver(deps: Plugins, move: Moving, context: StepContext): Promise<void> {
  const facet = await mirrorOf(deps, move, context)
  await saying('The volume was copied, but its virtual machine did not go on with the copy', async () =>
    facet.switch(vmOf(move), keyOf(move, context), part(context.call, 'switch')),
  )
}

/** Nothing switches the disk any more; or it was switched. */
export async function abandonCopy(
  move: Moving,
  mirror: MirrorFacet,
  context: StepContext,
): Promise<{ readonly switched: boolean }> {
  return mirror.abandon(vmOf(move), keyOf(move, context), part(context.call, 'abandon'))
}

/** The facet of the host on which the volume is copied. */
export async function mirrorOf(deps: Plugins, move: Moving, context: StepContext): Promise<MirrorFacet> {
  const { mirror } = (await deps.plugins.host(move.machine.host)).adapter(context.log)
  if (mirror) return mirror
  throw new PluginError('UNSUPPORTED', `host ${move.machine.host} moves no volumes`, 'none')
}

/** A mirror belongs to its operation. */
function keyOf(move: Moving, { operation }: StepContext) {
  return { id: operation, volume: volumeOf(move), generation: move.machine.generation }
}

function connectionTo(deps: Plugins, what: { readonly move: Moving; readonly expose: Exposed }, pool: string) {
  const { plan, machine } = what.move
  return unsealConnection(deps.store, { volume: plan.volume, host: machine.host }, sealedTo(what.expose, pool))
}

/** The connection to the volume in that pool, sealed. Throws when it was not given. */
export function sealedTo({ sealed }: Exposed, pool: string): string {
  const found = sealed.find((one) => one.pool === pool)
  if (!found) throw new Error(`access in pool ${pool} was not given`)
  return found.sealed
}

function keyed(context: StepContext, pool: string): StepContext {
  return { ...context, call: part(context.call, pool) }
}

function vmOf({ machine }: Moving): VmId {
  return machine.id as VmId // An id of ours is made by us; the brand only keeps kinds apart.
}

function volumeOf({ plan }: Moving): VolumeId {
  return plan.volume as VolumeId // As above.
}
