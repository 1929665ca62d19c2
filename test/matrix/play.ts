import { isDeepStrictEqual } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { ledgerFaults, leftHeld, settled } from '../../controller/sagas/testing/checks.ts'
import type { Staged } from '../../controller/sagas/testing/scene.ts'
import { CALL_CLASSES, type CallFault, type Cell, COMMIT_CLASSES, type CommitFault } from './cells.ts'
import type { Ground } from './ground.ts'
import { portraitOf, withoutCounts } from './portrait.ts'
import type { Victim } from './victims.ts'

/** Calls that change nothing. */
const READING = /\/(get|read|list|describe|extents)$/
/** Changes that may come late without harm: one tells a machine how large its disk is, one makes an archive that will be made again. */
const HARMLESS = /\/(refresh|archives\/prepare)$/

/** A cell at work. */
interface Played {
  readonly ground: Ground
  readonly cell: Cell
  readonly staged: Staged
  readonly operation: string
}

/**
 * Plays one cell to its end and throws when anything is not as its class predicts: how the operation ends, rows, what
 * arrays and hosts hold, the sums of the ledger, what is still held, what the census finds; and that a controller that
 * was taken over changes nothing when it wakes up. Leaves the ground as it was.
 */
export async function playCell(ground: Ground, cell: Cell): Promise<void> {
  const end = endOf(cell)
  // Played before the cell, which leaves something behind while it is played.
  const well = await ground.baseline(cell.scene, 'succeeded')
  const expected =
    end.state === 'succeeded' ? well : end.compare ? await ground.baseline(cell.scene, end.state) : undefined
  const { staged, operation } = await ground.ask(cell.scene)
  const played = { ground, cell, staged, operation }
  const fault = faultOf(cell)
  if (cell.place.way === 'undo') ground.steering.doomed = operation
  if (fault.by === 'fault') {
    ground.steering.strike = { operation, place: cell.place, fault }
    ground.open()
    await expectEnd(played, end.state)
    if (ground.steering.strike) throw new Error('the fault has not struck: its call was not made')
  } else {
    await strikeVictim(played, fault, end.state)
  }
  delete ground.steering.doomed
  await settled(ground.world)
  if (expected) compare('differs from a run with nothing in its way', await portraitOf(ground.world), expected)
  await expectNothingOff(ground)
  if (end.state === 'failed' && !end.compare) await askAgain(played, well)
  await ground.clean()
}

/** What the class predicts. `compare`: everything is then as after a run with nothing in its way that ended so. */
function endOf({ scene, place, name }: Cell): { readonly state: 'succeeded' | 'failed'; readonly compare: boolean } {
  // A saga being undone that asks a host how things stand need not wait for one that does not answer: it records that.
  const unheard = (name === 'timeout with effect' || name === 'answer lost') && READING.test(place.call?.method ?? '')
  if (place.way === 'undo') return { state: 'failed', compare: !unheard }
  const refused = name === 'error before effect' || name === 'error after effect'
  if (!refused) return { state: 'succeeded', compare: true }
  return scene.bearsErrors === true ? { state: 'succeeded', compare: true } : { state: 'failed', compare: false }
}

function faultOf({ name }: Cell): CallFault | CommitFault {
  const fault = new Map<string, CallFault | CommitFault>(Object.entries({ ...CALL_CLASSES, ...COMMIT_CLASSES })).get(
    name,
  )
  if (!fault) throw new Error(`there is no fault class ${name}`)
  return fault
}

async function expectEnd({ ground, operation }: Played, state: string): Promise<void> {
  const ended = await ground.world.end(operation)
  if (ended.state !== state) {
    throw new Error(`the operation ended ${ended.state}, not ${state}: ${JSON.stringify(ended.failure)}`)
  }
}

/** A fault that befalls a controller. */
type Blow = Exclude<CallFault | CommitFault, { readonly by: 'fault' }>

async function strikeVictim(played: Played, blow: Blow, state: string): Promise<void> {
  const { ground, cell, operation } = played
  const { way, step, call } = cell.place
  const victim = await ground.victims.next()
  const when = 'hold' in blow ? 'before' : blow.when
  const gate = { operation, way, step, ...(call ? { nth: call.nth } : {}), when } as const
  await victim.begin(gate, { doomed: way === 'undo' })
  const inside =
    'hold' in blow && call ? await holdInside(ground, victim, { method: call.method, kind: blow.hold }) : undefined
  await (blow.by === 'kill' ? victim.kill() : victim.stop())
  ground.open()
  await expectEnd(played, state)
  await settled(ground.world)
  const before = inside || blow.by === 'pause' ? await whole(played) : []
  if (inside) await letGo(ground, inside)
  if (blow.by === 'pause') {
    if (!inside) victim.go()
    await victim.wake()
    ground.victims.keep(victim)
  }
  if (before.length > 0) compare('was changed by what came late', await whole(played), before)
}

/** A call that waits in the back end. */
interface Inside {
  readonly method: string
  readonly kind: 'hold-before' | 'hold-after'
  readonly key: string
}

async function holdInside(
  { world: { simulator } }: Ground,
  victim: Victim,
  order: Pick<Inside, 'method' | 'kind'>,
): Promise<Inside> {
  await simulator.faults.arm(order)
  victim.go()
  const { key } = await simulator.faults.held(order.method)
  return { ...order, key }
}

/** Lets the call go on that was held for a controller that was taken over: a change must be refused, by the fence. */
async function letGo({ world: { simulator } }: Ground, { method, kind, key }: Inside): Promise<void> {
  await simulator.faults.release()
  for (const until = Date.now() + WITHIN_MS; ; await pause(5)) {
    const { items } = await simulator.calls({ method })
    // The first under this key: the one that took over came later.
    const outcome = items.find((call) => call.key === key)?.outcome
    if (outcome !== 'open' && outcome !== undefined) {
      if (kind === 'hold-before' && !READING.test(method) && !HARMLESS.test(method) && outcome !== 'FENCED') {
        throw new Error(`the late call of ${method} was not refused by the fence, but ended ${outcome}`)
      }
      return
    }
    if (Date.now() > until) throw new Error(`the late call of ${method} has not ended`)
  }
}

const WITHIN_MS = 30_000

/** All there is, with the operation itself. */
async function whole({ ground: { world }, operation }: Played): Promise<readonly string[]> {
  const portrait = await portraitOf(world)
  const { state, fence, failure, step } = await world.store.reader
    .selectFrom('operation')
    .selectAll()
    .where('id', '=', operation)
    .executeTakeFirstOrThrow()
  return [...portrait, JSON.stringify({ state, fence, failure, step })]
}

/** After a failure nothing may be off but what the census names until somebody asks again: access that was not withdrawn. */
async function expectNothingOff({ world }: Ground): Promise<void> {
  const off = [...(await ledgerFaults(world)), ...(await leftHeld(world))]
  const found = (await world.findings()).filter((finding) => !finding.endsWith('access that was to be withdrawn'))
  if (off.length + found.length > 0) throw new Error(`left over: ${[...off, ...found].join('; ')}`)
}

/** Asking again must succeed, and come to the same as if nothing had failed. */
async function askAgain({ ground, staged }: Played, well: readonly string[]): Promise<void> {
  const { again, ask } = staged
  const { state, failure } = await ground.world.end(await (again ?? ask)())
  if (state !== 'succeeded') throw new Error(`asked again it ended ${state}: ${JSON.stringify(failure)}`)
  await settled(ground.world)
  await expectNothingOff(ground)
  if (again) return
  const portrait = withoutCounts(await portraitOf(ground.world))
  compare('asked again it differs', portrait, withoutCounts(well))
}

function compare(what: string, found: readonly string[], expected: readonly string[]): void {
  if (isDeepStrictEqual(found, expected)) return
  const more = found.filter((line) => !expected.includes(line)).map((line) => `+ ${line}`)
  const less = expected.filter((line) => !found.includes(line)).map((line) => `- ${line}`)
  throw new Error(`${what}:\n${[...less, ...more].join('\n')}`)
}
