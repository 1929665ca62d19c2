import type { SagaHead } from '../head.ts'
import type { World } from './world.ts'

/** A saga about to run, and what is asked again once it has failed. */
export interface Staged {
  /** Submits it; answers the operation. */
  readonly ask: () => Promise<string>
  /** Asks for the same once more after a failure: it must succeed then. Absent: `ask` does. */
  readonly again?: () => Promise<string>
}

/** Methods of back ends by step, as the simulator names them, in the order in which the step calls them. */
export type CallsByStep = Readonly<Record<string, readonly string[]>>

/**
 * A saga with what it needs to have something to do. The crash matrix makes its cells from these, so that
 * `scenes.proof.test.ts` runs each and compares it with what it says of itself; and each outer step of a saga must call
 * something in one of its scenes, or stand in `CALLS_NOTHING`.
 */
export interface Scene {
  readonly saga: string
  /** What it shows, in words; tells scenes of one saga apart. */
  readonly of: string
  /** Every step of the saga in order, with what it calls here. */
  readonly calls: CallsByStep
  /** The steps whose undo calls something, when the saga fails at the very end of its last step. Absent: none. */
  readonly undoing?: CallsByStep
  /** True when a call that fails does not fail the saga, which succeeds and says so. */
  readonly bearsErrors?: true
  /** Why it is not played on a real SAN and host, where it would be otherwise. */
  readonly notReal?: string
  stage(world: World): Promise<Staged>
}

/** Outer steps that call no back end themselves in any scene, by `saga/step`, each with the reason. */
export const CALLS_NOTHING: Readonly<Record<string, string>> = {
  'pool-maintenance/stop':
    'it submits operations of saga vm-stop and waits for them; these call, and have cells of their own',
  'host-maintenance/move':
    'it submits operations of saga vm-migrate and waits for them; these call, and have cells of their own',
  'host-maintenance/stop': 'it submits operations of saga vm-stop, likewise',
  'pool-maintenance-cancel/resume': 'it submits operations of saga vm-start, which call, and have cells of their own',
}

/** A saga that is asked for in one way. */
export function asked<Input>(world: World, head: SagaHead<Input>, input: Input): Staged {
  return { ask: async () => world.submit(head, input) }
}

/** The methods that a scene calls on its way forward, each once. */
export function methodsOf({ calls }: Scene): readonly string[] {
  return [...new Set(Object.values(calls).flat())]
}
