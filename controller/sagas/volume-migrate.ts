import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { hostById } from '../store/hosts.ts'
import { isHeld, release } from '../store/held.ts'
import { locationOf } from '../store/locations.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import { giveBackSecond } from '../store/reservations.ts'
import type { Tx } from '../store/store.ts'
import { updateVolume } from '../store/volumes.ts'
import { withdrawAccess } from './access.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { makeVolume, unmakeVolume } from './making.ts'
import { beginMove, type MoveBegun, type VolumeMigrateInput } from './move-begin.ts'
import { abandonCopy, copyOver, exposeBoth, mirrorOf, runCarrier, stopCarrier, switchOver } from './moving.ts'
import { forgetLeft, recordMoved } from './moved.ts'
import { ends, type Outcome } from './outcome.ts'

/** Moves a volume to another pool, live where a running VM uses it. */
export const volumeMigrate = sagaHead<VolumeMigrateInput>({
  name: 'volume-migrate',
  version: 1,
  lane: 'motion',
  // The machine that carries a volume at rest bears the volume's id: while this works, it is no finding of a census.
  needs: async (tx, { volume }) => unique([resourceName('vm', volume), ...(await resourcesOfVolume(tx, volume))]),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME: Outcome<VolumeMigrateInput> = {
  type: 'VOLUME.MIGRATE',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'migrating volume',
}

/**
 * Steps: begin (room in the other pool), create (there), expose (to the host), carry (a machine for a volume at rest), copy (and compare),
 * switch (from here on the volume lives there), leave (the carrier ends), withdraw. Until it has switched, a failure takes everything
 * back, and the volume is where it was. Once it has, nothing is taken back: an undo finishes. What is left in the old pool is in the recycle bin
 * from the switch on, and holds its room there.
 */
export function volumeMigrateSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeMigrateInput, Tx>(volumeMigrate)
    .step('begin', {
      decide: async (tx, { input }, under) => beginMove(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input, under),
    })
    .step('create', {
      run: async ({ begin: { move } }, context) => (move ? makeVolume(deps, move.plan, context) : null),
      undo: async ({ begin }, context) => unmakeUnlessMoved(deps, begin, context),
    })
    .step('expose', {
      run: async ({ begin: { move } }, context) => (move ? exposeBoth(deps, move, context) : null),
      undo: async ({ begin }, context) => withdrawOne(deps, begin, context),
      unrecord: async (tx, { begin: { move } }, { found }) => {
        if (move && found.moved) await forgetLeft(tx, move)
      },
    })
    .step('carry', {
      run: async ({ begin: { move }, expose }, context) =>
        move?.machine.carrier && expose ? runCarrier(deps, { move, expose }, context) : undefined,
      undo: async ({ begin }, context) => dropCarrier(deps, begin, context),
    })
    .step('copy', {
      run: async ({ begin: { move }, expose }, context) =>
        move && expose ? copyOver(deps, { move, expose }, context) : undefined,
      undo: async ({ begin }, context) => abandonUnlessMoved(deps, begin, context),
    })
    .step('switch', {
      run: async ({ begin: { move } }, context) => (move ? switchOver(deps, move, context) : undefined),
      record: async (tx, { begin: { move }, create, expose }) => {
        if (move && create && expose) await recordMoved(tx, { move, made: create, expose })
      },
      undo: async ({ begin }, context) => lookForSwitch(deps, begin, context),
      unrecord: async (tx, { begin: { move }, create, expose }, { found }) => {
        if (move && create && expose && found.switched) await recordMoved(tx, { move, made: create, expose })
      },
    })
    .step('leave', {
      run: async ({ begin }, context) => dropCarrier(deps, begin, context),
      // That the carrier ends, the undo of `carry` sees to.
      undo: async () => {},
    })
    .step('withdraw', {
      run: async ({ begin: { move } }, context) => withdrawAccess(deps, move?.left ?? [], context),
      record: async (tx, { begin: { move } }) => (move ? forgetLeft(tx, move) : undefined),
      undo: async () => {},
    })
    .build(ends(OUTCOME, async (tx, { input }, under) => rests(tx, input.volume, under)))
}

async function rests(tx: Tx, volume: string, { operation }: Under): Promise<void> {
  await updateVolume(tx, volume, { state: 'Ready' })
  await release(tx, 'volume', { id: volume, operation })
}

async function unmakeUnlessMoved(deps: SagaDeps, begin: MoveBegun, context: StepContext): Promise<void> {
  if (begin.move && !(await hasMoved(deps, begin))) await unmakeVolume(deps, begin.move.plan, context)
}

/** What was given for the copy; of a volume that has moved, what was left behind. */
async function withdrawOne(
  deps: SagaDeps,
  begin: MoveBegun,
  context: StepContext,
): Promise<{ readonly moved: boolean }> {
  const { move } = begin
  const moved = await hasMoved(deps, begin)
  if (move) await withdrawAccess(deps, moved ? move.left : move.grants, context)
  return { moved }
}

async function dropCarrier(deps: SagaDeps, { move }: MoveBegun, context: StepContext): Promise<void> {
  if (move?.machine.carrier) await stopCarrier(deps, move, context)
}

async function abandonUnlessMoved(deps: SagaDeps, begin: MoveBegun, context: StepContext): Promise<void> {
  const { move } = begin
  if (move && !(await hasMoved(deps, begin))) await abandonCopy(move, await mirrorOf(deps, move, context), context)
}

async function putBack(tx: Tx, { volume, pool }: VolumeMigrateInput, under: Under): Promise<void> {
  if (!(await isHeld(tx, 'volume', { id: volume, operation: under.operation }))) return
  // Of one that has moved it is the first by now, and stays.
  if ((await locationOf(tx, volume))?.poolId !== pool) await giveBackSecond(tx, { volume, pool })
  await rests(tx, volume, under)
}

async function hasMoved(deps: Pick<SagaDeps, 'store'>, { volume, move }: MoveBegun): Promise<boolean> {
  return (await locationOf(deps.store.reader, volume))?.poolId === move?.plan.pool
}

/**
 * Whether the disk was switched, if that is not recorded yet: nothing switches it any more then. Of a host that is lost nobody will ever
 * know; both sides were the same when it was asked to, and the target has every write since, if it did. So it counts as switched.
 */
async function lookForSwitch(
  deps: SagaDeps,
  begin: MoveBegun,
  context: StepContext,
): Promise<{ readonly switched: boolean }> {
  const { move } = begin
  if (!move || (await hasMoved(deps, begin))) return { switched: false }
  const { machine } = move
  // Opened before its state is read: of a host that is given up in between, the answer below is not believed.
  const mirror = await mirrorOf(deps, move, context)
  if (!machine.carrier && (await hostById(deps.store.reader, machine.host))?.state === 'Down') return { switched: true }
  return abandonCopy(move, mirror, context)
}
