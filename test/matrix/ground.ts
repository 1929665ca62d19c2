import type { FaultControl } from '@moorage/simulator/testing'
import { Refusal } from '../../controller/domain/failures.ts'
import { clear, settled } from '../../controller/sagas/testing/checks.ts'
import type { Scene, Staged } from '../../controller/sagas/testing/scene.ts'
import { createValve, type Valve, type Watch } from '../../controller/sagas/testing/watch.ts'
import { type Parts, startWorld, type World } from '../../controller/sagas/testing/world.ts'
import type { CallFault, Place } from './cells.ts'
import { FOUND, forget, portraitOf } from './portrait.ts'
import { type Victims, victimsOf } from './victims.ts'

/** A fault that waits for its call in the test's own controller. */
export interface Strike {
  readonly operation: string
  readonly place: Place
  readonly fault: Extract<CallFault, { readonly by: 'fault' }>
}

/** What the test's own controller, which takes over, is told. */
export interface Steering {
  /** Whose last step fails at its end. */
  doomed?: string
  strike?: Strike
}

/** A small cloud in which cells are played, one at a time: a controller that takes over, and victims. */
export interface Ground {
  readonly world: World
  readonly steering: Steering
  readonly victims: Victims
  /** Stages a scene and asks for it, while nothing is taken up. */
  ask(scene: Scene): Promise<{ readonly staged: Staged; readonly operation: string }>
  /** Lets the test's own controller take up what there is. */
  open(): void
  /** The portrait of a scene that ended with nothing in its way, well or doomed at its end. Played once, then known. */
  baseline(scene: Scene, how: 'succeeded' | 'failed'): Promise<readonly string[]>
  /** Takes everything away. */
  clean(): Promise<void>
  stop(): Promise<void>
}

/** How long the caller waits whose answer comes too late. */
const HASTE_MS = 400

/** Starts one, on a simulator unless told; takes about a second. */
export async function startGround(parts?: Parts): Promise<Ground> {
  const steering: Steering = {}
  const valve = createValve()
  const later: { faults?: FaultControl } = {}
  const watch = watchOf(steering, valve, later)
  const world = await startWorld({ watch, patienceMs: 20_000, ...(parts ? { parts } : {}) })
  later.faults = world.simulator.faults
  await preferFast(world)
  const victims = victimsOf(world)
  const baselines = new Map<string, readonly string[]>()
  const ask: Ground['ask'] = async (scene) => {
    const staged = await scene.stage(world)
    await valve.shut()
    return { staged, operation: await staged.ask() }
  }
  const open = () => {
    valve.open()
    world.runner().wake()
  }
  const clean = async () => {
    delete steering.doomed
    delete steering.strike
    await world.simulator.faults.clear()
    open()
    await clear(world)
    await forget(world)
  }
  const baseline: Ground['baseline'] = async (scene, how) => {
    const title = `${scene.saga}: ${scene.of}: ${how}`
    const known = baselines.get(title)
    if (known) return known
    const { operation } = await ask(scene)
    if (how === 'failed') steering.doomed = operation
    open()
    const { state, failure } = await world.end(operation)
    if (state !== how) throw new Error(`${title}: ended ${state} with nothing in its way: ${failure?.text}`)
    await settled(world)
    const portrait = await portraitOf(world)
    const found = portrait.filter((line) => line.startsWith(FOUND))
    if (state === 'succeeded' && found.length > 0) throw new Error(`${title}: left over: ${found.join('; ')}`)
    baselines.set(title, portrait)
    await clean()
    return portrait
  }
  const stop = async () => {
    await victims.stop()
    await world.stop()
  }
  return { world, steering, victims, ask, open, baseline, clean, stop }
}

/** Of pools that are about equal one is chosen by the volume's id: two runs of a scene would differ in where its volumes live. */
async function preferFast({ store, pools }: World): Promise<void> {
  if (pools.fast === pools.slow) return
  await store.reader.updateTable('pool').set({ capacityVolumes: 4 }).where('id', '=', pools.slow).execute()
}

/** Strikes and dooms as told. `later`: the faults of the back ends, once these are there. */
function watchOf(steering: Steering, valve: Valve, later: { readonly faults?: FaultControl }): Watch {
  return {
    call: async (moment, go) => {
      const { strike } = steering
      const { place, fault } = strike ?? {}
      const here = strike?.operation === moment.operation && place?.step === moment.step && place.way === moment.way
      if (!here || !fault || place?.call?.nth !== moment.nth) return go()
      delete steering.strike
      const { by: _by, ...order } = fault
      await later.faults?.arm({ method: moment.method, ...order })
      return go(fault.kind === 'timeout-after-effect' ? { deadline: Date.now() + HASTE_MS } : undefined)
    },
    commit: async ({ operation, way, ends }, go) => {
      if (ends && way === 'forward' && operation === steering.doomed) throw new Refusal('INVALID', 'told to fail')
      return go()
    },
    valve,
  }
}
