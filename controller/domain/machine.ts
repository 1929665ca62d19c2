import { Refusal } from './failures.ts'

/** A state machine as a table: from each state, what an event leads to. An event that is not there is not allowed. */
export type Machine<State extends string, Event extends string> = {
  readonly [S in State]: { readonly [E in Event]?: State }
}

/**
 * The state that `event` leads to. Throws `Refusal` `INVALID` naming thing and state when the state does not allow it.
 * `state` is text as the database holds it; an unknown one allows nothing.
 */
export function next<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  state: string,
  step: { readonly event: NoInfer<Event>; readonly of: string },
): State {
  const to = peek(machine, state, step.event)
  if (to === undefined)
    throw new Refusal('INVALID', `${step.of} is in state ${state}, which does not allow ${step.event}`)
  return to
}

/** As `next`, but answers `undefined` when the state does not allow the event. */
export function peek<State extends string, Event extends string>(
  machine: Machine<State, Event>,
  state: string,
  event: NoInfer<Event>,
): State | undefined {
  const row = Object.entries<Machine<State, Event>[State]>(machine).find(([name]) => name === state)
  return row?.[1][event]
}
