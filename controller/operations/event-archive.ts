import { archiveEvents, deleteEvents, type EventSelection } from '../store/events.ts'
import { sightOf } from './ownership.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut } from './submit.ts'

/** Which events of those that the caller may see. */
export type AskedEvents = Omit<EventSelection, 'ownership'>

/** Archives events, which are listed only when asked for from then on. Throws `Refusal` `INVALID` for what names none. */
export async function putEventsAway(by: By, asked: AskedEvents): Promise<void> {
  const selection = selected(by, asked)
  await carriedOut(by, async (tx) => archiveEvents(tx, selection))
}

/** Deletes events for good; the audit keeps its own record. Throws as `putEventsAway`. */
export async function forgetEvents(by: By, asked: AskedEvents): Promise<void> {
  const selection = selected(by, asked)
  await carriedOut(by, async (tx) => deleteEvents(tx, selection))
}

function selected({ caller }: By, asked: AskedEvents): EventSelection {
  const { ids, type, since, until } = asked
  if (ids === undefined && type === undefined && until === undefined)
    throw refuse('INVALID', 'Invalid parameters: either ids, type or enddate must be specified')
  if (since !== undefined && until === undefined)
    throw refuse('INVALID', 'Invalid parameter enddate: it must be specified with startdate')
  return { ...asked, ownership: sightOf(caller) }
}
