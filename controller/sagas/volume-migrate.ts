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
import { beginMove, type MoveBegun, type Moving, type VolumeMigrateInput } from './move-begin.ts'
import { abandonCopy, copyOver, exposeBoth, runCarrier, stopCarrier, switchOver } from './moving.ts'
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
      undo: async ({ begin }, context) => {
        if (begin.move && !(await hasMoved(deps, begin))) await unmakeVolume(deps, begin.move.plan, context)
      },
    })
    .step('expose', {
      run: async ({ begin: { move } }, context) => (move ? exposeBoth(deps, move, context) : null),
      undo: async ({ begin }, context) => {
        if (!begin.move) return { moved: true }
        const moved = await hasMoved(deps, begin)
        await withdrawAccess(deps, moved ? begin.move.left : begin.move.grants, context)
        return { moved }
      },
      unrecord: async (tx, { begin: { move } }, { found }) => {
        if (move && found.moved) await forgetLeft(tx, move)
      },
    })
    .step('carry', {
      run: async ({ begin: { move }, expose }, context) => {
        if (move?.machine.carrier && expose) await runCarrier(deps, { move, expose }, context)
      },
      undo: async ({ begin: { move } }, context) =>
        move?.machine.carrier ? stopCarrier(deps, move, context) : undefined,
    })
    .step('copy', {
      run: async ({ begin: { move }, expose }, context) => {
        if (move && expose) await copyOver(deps, { move, expose }, context)
      },
      undo: async ({ begin }, context) => {
        if (begin.move && !(await hasMoved(deps, begin))) await abandonCopy(deps, begin.move, context)
      },
    })
    .step('switch', {
      run: async ({ begin: { move } }, context) => {
        if (move) await switchOver(deps, move, context)
      },
      record: async (tx, { begin: { move }, create, expose }, _out, { operation }) => {
        if (move && create && expose) await recordMoved(tx, { move, made: create, expose, operation })
      },
      undo: async ({ begin }, context) => lookForSwitch(deps, begin, context),
      unrecord: async (tx, { begin: { move }, create, expose }, { found, operation }) => {
        if (move && create && expose && found.switched) await recordMoved(tx, { move, made: create, expose, operation })
      },
    })
    .step('leave', {
      run: async ({ begin: { move } }, context) =>
        move?.machine.carrier ? stopCarrier(deps, move, context) : undefined,
      // That the carrier ends, the undo of `carry` sees to.
      undo: async () => {},
    })
    .step('withdraw', {
      run: async ({ begin: { move } }, context) => withdrawAccess(deps, move?.left ?? [], context),
      record: async (tx, { begin: { move } }) => {
        if (move) await forgetLeft(tx, move)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        await updateVolume(tx, input.volume, { state: 'Ready' })
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function putBack(tx: Tx, { volume, pool }: VolumeMigrateInput, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'volume', { id: volume, operation }))) return
  // Of one that has moved it is the first by now, and stays.
  if ((await locationOf(tx, volume))?.poolId !== pool) await giveBackSecond(tx, { volume, pool })
  await updateVolume(tx, volume, { state: 'Ready' })
  await release(tx, 'volume', { id: volume, operation })
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
  if (await isLost(deps, move)) return { switched: true }
  return abandonCopy(deps, move, context)
}

async function isLost(deps: Pick<SagaDeps, 'store'>, { machine }: Moving): Promise<boolean> {
  return !machine.carrier && (await hostById(deps.store.reader, machine.host))?.state === 'Down'
}
