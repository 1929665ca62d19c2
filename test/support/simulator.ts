import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { wireClient } from '@moorage/wire'
import { labCall } from '../../lab/guest.ts'

/** Faults of the simulator that `moorage serve --seed simulator` started. */
export interface SimulatorFaults {
  /** Arms a fault; see the simulator's README for `kind` and `method`. */
  arm(fault: { readonly method: string; readonly kind: string; readonly count?: number }): Promise<void>
  /** How many calls wait inside. */
  held(): Promise<number>
  /** Lets all held calls go on and disarms everything. */
  clear(): Promise<void>
}

/** Any method of the simulator's, by its path: what its README lists. */
export function simulatorMethods(controllerDir: string): <Result>(method: string, args: object) => Promise<Result> {
  const { user, password } = read(join(controllerDir, 'simulator.credentials.json'))
  const { url } = read(join(controllerDir, 'simulator', 'ready.json'))
  const remote = wireClient({ url: url ?? '', user: user ?? '', password: password ?? '' })
  return (method, args) => remote(method, args, labCall(10_000))
}

/** Reaches the simulator of a controller's data directory. */
export function simulatorFaults(controllerDir: string): SimulatorFaults {
  const send = simulatorMethods(controllerDir)
  return {
    arm: async (fault) => {
      await send('faults/arm', fault)
    },
    held: async () => {
      const { held } = await send<{ readonly held: readonly unknown[] }>('faults/list', {})
      return held.length
    },
    clear: async () => {
      await send('faults/clear', {})
    },
  }
}

function read(path: string): Readonly<Record<string, string | undefined>> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, string> // Written by controller and simulator.
}
