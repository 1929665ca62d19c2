import type { SagaDefinition } from '../../controller/jobs/saga.ts'
import { CALLS_NOTHING, type Scene } from '../../controller/sagas/testing/scene.ts'
import { END, TURN, type Way } from '../../controller/sagas/testing/watch.ts'
import type { Tx } from '../../controller/store/store.ts'

/** What happens at a call of a plug-in. `hold`: where in the back end the call waits meanwhile. */
export type CallFault =
  | { readonly by: 'fault'; readonly kind: 'error-before' | 'error-after'; readonly code: 'INVALID' | 'INTERNAL' }
  | { readonly by: 'fault'; readonly kind: 'timeout-after-effect' | 'lose-answer' }
  | { readonly by: 'kill'; readonly when: 'before' | 'after' }
  | { readonly by: 'kill' | 'pause'; readonly hold: 'hold-before' | 'hold-after' }

/** What happens at a commit of the journal. */
export interface CommitFault {
  readonly by: 'kill' | 'pause'
  readonly when: 'before' | 'after'
}

/** Fault classes at a call, by the name that the document shows. */
export const CALL_CLASSES = {
  'error before effect': { by: 'fault', kind: 'error-before', code: 'INVALID' },
  'error after effect': { by: 'fault', kind: 'error-after', code: 'INTERNAL' },
  'timeout with effect': { by: 'fault', kind: 'timeout-after-effect' },
  'answer lost': { by: 'fault', kind: 'lose-answer' },
  'killed before the call': { by: 'kill', when: 'before' },
  'killed inside, before effect': { by: 'kill', hold: 'hold-before' },
  'killed inside, after effect': { by: 'kill', hold: 'hold-after' },
  'killed after the call': { by: 'kill', when: 'after' },
  'paused inside, before effect': { by: 'pause', hold: 'hold-before' },
  'paused inside, after effect': { by: 'pause', hold: 'hold-after' },
} as const satisfies Record<string, CallFault>

/** Fault classes at a commit. */
export const COMMIT_CLASSES = {
  'killed before the commit': { by: 'kill', when: 'before' },
  'killed after the commit': { by: 'kill', when: 'after' },
  'paused before the commit': { by: 'pause', when: 'before' },
} as const satisfies Record<string, CommitFault>

/** Every fault class. */
export const CLASSES = [...Object.keys(CALL_CLASSES), ...Object.keys(COMMIT_CLASSES)]

/** Where a cell strikes: a call of a step, or a commit. */
export interface Place {
  readonly way: Way
  readonly step: string
  /** Absent: the commit of the step. `nth` from 0. */
  readonly call?: { readonly nth: number; readonly method: string }
}

/** One row of the matrix: a place in a scene, and the classes that strike there. */
export interface Row {
  readonly scene: Scene
  readonly place: Place
  readonly classes: readonly string[]
  /** Why the other classes cannot strike here. */
  readonly without: string
}

/** One cell: a class at a place of a scene. */
export interface Cell extends Omit<Row, 'classes' | 'without'> {
  readonly name: string
}

/** Why cells cannot exist, or would be others over again. */
export const RULES = {
  call: 'at a call; the commit of its step comes right after its last call, and the next step begins right after its commit',
  local: 'the step is local: it decides in the transaction of its commit, and calls nothing',
  delegating: 'the step calls nothing itself, in any scene',
  undo: 'the undo of the step calls nothing here',
  machinery: 'a commit of the runner, between steps',
} as const

/** A step that has nothing to do in a scene is struck in the one where it has. */
export const ELSEWHERE = 'an outer step that calls nothing in one scene has its cells in another, where it does'

/** Every row of the matrix that the registry asks for. Throws when a saga or a step has no scene. */
export function rowsOf(sagas: ReadonlyMap<string, SagaDefinition<Tx>>, scenes: readonly Scene[]): readonly Row[] {
  return [...sagas.values()].flatMap((saga) => {
    const staged = scenes.filter((scene) => scene.saga === saga.name)
    if (staged.length === 0) throw new Error(`saga ${saga.name} has no scene: see docs/how-to/add-a-saga.md`)
    const rows = staged.flatMap((scene) => [...forward(saga, scene), ...backward(saga, scene)])
    const struck = new Set(rows.filter(({ place }) => place.way === 'forward').map(({ place }) => place.step))
    const missed = saga.steps.filter(({ name }) => !struck.has(name))
    if (missed.length > 0) throw new Error(`no scene of ${saga.name} gives ${missed[0]?.name} something to do`)
    return rows
  })
}

/** Every cell of the rows. */
export function cellsOf(rows: readonly Row[]): readonly Cell[] {
  return rows.flatMap(({ scene, place, classes }) => classes.map((name) => ({ scene, place, name })))
}

/** On what a cell is played. */
export type Realm = 'simulator' | 'real'

/**
 * The part of the matrix that is played on a real SAN and a real host too: every call of every saga about volumes and
 * their snapshots, but of those whose scene says why not, under a controller that is killed or paused while it is inside. Errors and lost answers are the
 * simulator's: no part of theirs would be real. Before and after a call nothing is on its way to a daemon.
 */
export function realOf(rows: readonly Row[]): readonly Row[] {
  const befalls = Object.entries(CALL_CLASSES).filter(([, fault]) => 'hold' in fault)
  const classes = befalls.map(([name]) => name)
  const calling = rows.filter(
    ({ scene, place }) => place.call !== undefined && /^(volume|snapshot)-/.test(scene.saga) && !scene.notReal,
  )
  return calling.map((row) => ({ ...row, classes }))
}

/** The name of the part of the matrix that a saga is in one realm. */
export function sectionName(saga: string, realm: Realm): string {
  return realm === 'real' ? `${saga}, on the real SAN and QEMU` : saga
}

/** A cell in words: unique. */
export function titleOf({ scene, place, name }: Cell, realm: Realm = 'simulator'): string {
  return `${sectionName(scene.saga, realm)} (${scene.of}): ${placeText(place)}: ${name}`
}

/** A place in words. */
export function placeText({ way, step, call }: Place): string {
  const at = call ? `${step}, ${call.method}${call.nth > 0 ? ` (call ${call.nth + 1})` : ''}` : step
  return way === 'undo' ? `undo of ${at}` : at
}

const CALLS = Object.keys(CALL_CLASSES)
const COMMITS = Object.keys(COMMIT_CLASSES)

function forward(saga: SagaDefinition<Tx>, scene: Scene): readonly Row[] {
  return saga.steps.flatMap(({ name: step, step: body }): readonly Row[] => {
    const calls = atCalls(scene, { way: 'forward', step }, scene.calls[step] ?? [])
    if (calls.length > 0) return calls
    const local = 'decide' in body
    if (!local && CALLS_NOTHING[`${saga.name}/${step}`] === undefined) return []
    return [
      { scene, place: { way: 'forward', step }, classes: COMMITS, without: local ? RULES.local : RULES.delegating },
    ]
  })
}

/** As the saga is undone when the end of its last step fails: that step, and all before it. */
function backward(saga: SagaDefinition<Tx>, scene: Scene): readonly Row[] {
  const commit = (step: string, without: string): Row => {
    return { scene, place: { way: 'undo', step }, classes: COMMITS, without }
  }
  // The last step has no end in the journal: a local one never happened.
  const started = saga.steps.filter(({ step }, at) => at < saga.steps.length - 1 || 'run' in step)
  const steps = [...started].reverse().flatMap(({ name: step }) => {
    const calls = atCalls(scene, { way: 'undo', step }, scene.undoing?.[step] ?? [])
    return calls.length > 0 ? calls : [commit(step, RULES.undo)]
  })
  return [commit(TURN, RULES.machinery), ...steps, commit(END, RULES.machinery)]
}

function atCalls(scene: Scene, place: Place, methods: readonly string[]): readonly Row[] {
  return methods.map((method, nth) => {
    return { scene, place: { ...place, call: { nth, method } }, classes: CALLS, without: RULES.call }
  })
}
