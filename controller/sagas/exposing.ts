import { serialOf, type VmId, type VmSpec, type VolumeId } from '@moorage/contract'
import type { StepContext } from '../jobs/saga.ts'
import { unsealConnection } from '../store/connections.ts'
import { giveAccess } from './access.ts'
import type { SagaDeps } from './deps.ts'
import type { Machine, StartingDisk } from './start-begin.ts'

/** The connection to a volume, sealed. Plain data. */
export interface Sealed {
  readonly volume: string
  readonly sealed: string
}

/** Gives a host access to the volumes of a machine, one after the other. */
export async function exposeDisks(
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  disks: readonly StartingDisk[],
  context: StepContext,
): Promise<readonly Sealed[]> {
  return inTurn(disks, async ({ grant }) => ({
    volume: grant.volume,
    sealed: await giveAccess(deps, grant, context),
  }))
}

/** The sealed connection to the volume. Throws when it was not given. */
export function sealedFor(given: readonly Sealed[], volume: string): string {
  const found = given.find((one) => one.volume === volume)
  if (!found) throw new Error(`volume ${volume} was not exposed`)
  return found.sealed
}

/** What a host is to run, with secrets in clear: for a call, never to be stored. */
export function machineSpec(
  deps: Pick<SagaDeps, 'store'>,
  what: {
    readonly vm: string
    readonly machine: Machine
    readonly disks: readonly StartingDisk[]
  },
  given: readonly Sealed[],
): VmSpec {
  const disks = what.disks.map(({ grant, generation, deviceId, throttle }) => ({
    volume: grant.volume as VolumeId, // Ids of ours are made by us; the brands only keep kinds apart.
    generation,
    connection: unsealConnection(deps.store, grant, sealedFor(given, grant.volume)),
    mode: 'rw' as const,
    serial: serialOf(grant.volume as VolumeId), // As above.
    deviceId,
    throttle,
  }))
  return { ...what.machine, id: what.vm as VmId, disks } // As above.
}

/** One after the other, so that the operation's log reads in order and a failure names its volume. */
export async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) results.push(await work(item))
  return results
}
