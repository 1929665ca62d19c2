import type { OperationState } from '../jobs/journal.ts'
import type { Failure } from '../jobs/saga.ts'
import { accountsWithin, identitiesOf } from '../store/queries/accounts.ts'
import { logPage } from '../store/queries/operation-log.ts'
import type { Listed, Ownership, Window } from '../store/queries/page.ts'
import { countOperations, findOperation, operationsAt, type OperationView } from '../store/operations.ts'
import type { System } from './context.ts'
import { refuse, type Told, toldOf } from './refusals.ts'

/** An operation as it is shown, with the names of whose it is. Moorage's own has none. */
export interface ShownOperation extends OperationView {
  readonly owner?: {
    readonly accountName: string
    readonly domainId: string
    readonly domainName: string
    readonly domainPath: string
  }
  /** What its caller is told of its failure; present when it failed or was aborted. */
  readonly told?: Told
}

/** Which operations to list; absent fields do not filter. */
export interface OperationsAsked {
  readonly ownership: Ownership
  readonly states?: readonly OperationState[]
  readonly subject?: string
  readonly since?: Date
  readonly command?: string
}

/** Operations, newest first. */
export async function listOperations(
  system: System,
  { ownership, ...filter }: OperationsAsked,
  window: Window,
): Promise<Listed<ShownOperation>> {
  const { reader } = system.store
  const accounts = await accountsWithin(reader, ownership)
  const wanted = { ...filter, ...(accounts === undefined ? {} : { accounts }) }
  const items = await operationsAt(reader, wanted, window)
  const last = window.limit === undefined || items.length < window.limit
  const counted = last && (items.length > 0 || window.offset === 0)
  const count = counted ? window.offset + items.length : await countOperations(reader, wanted)
  return { count, items: await withOwners(system, items) }
}

/** One operation that the caller may see. Throws `Refusal` `NOT_FOUND` when it is not there. */
export async function operationById(system: System, id: string): Promise<ShownOperation> {
  const found = await findOperation(system.store.reader, id)
  const [shown] = found === undefined ? [] : await withOwners(system, [found])
  if (shown === undefined) throw refuse('NOT_FOUND', 'There is no such operation')
  return shown
}

/** Entries of an operation's log, oldest first. */
export async function listOperationLog(system: System, id: string, window: Window) {
  return await logPage(system.store.reader, id, window)
}

/** Asks an operation to stop and to undo what it started. Throws `Refusal` `INVALID` when it has ended. */
export async function abortOperation(system: System, id: string): Promise<void> {
  await open(system, id, 'abort')
  await system.jobs.abort(id)
}

/** Lets an operation that waits for its next attempt run now. Throws `Refusal` `INVALID` when it has ended. */
export async function retryOperation(system: System, id: string): Promise<void> {
  await open(system, id, 'retry')
  await system.jobs.retry(id)
}

async function open(system: System, id: string, verb: string): Promise<void> {
  const { state } = await operationById(system, id)
  if (state !== 'succeeded' && state !== 'failed' && state !== 'aborted') return
  throw refuse(
    'INVALID',
    `There is nothing to ${verb}: the operation has ${state === 'aborted' ? 'been aborted' : state}`,
  )
}

async function withOwners(system: System, views: readonly OperationView[]): Promise<readonly ShownOperation[]> {
  const accounts = [...new Set(views.flatMap(({ accountId }) => accountId ?? []))]
  const owners = new Map((await identitiesOf(system.store.reader, accounts)).map(({ id, ...rest }) => [id, rest]))
  return views.map((view) => {
    const owner = owners.get(view.accountId ?? '')
    return {
      ...view,
      ...(owner === undefined ? {} : { owner }),
      ...(view.failure === undefined ? {} : { told: toldIn(view, view.failure) }),
    }
  })
}

/** What is there although the operation failed, by command and saga: its caller must know, and can go on from there. */
const STAYS: Readonly<Record<string, string>> = {
  'createVolume volume-attach': 'The volume was created, but not attached',
  'deployVirtualMachine vm-start': 'The virtual machine was created, but not started',
}

function toldIn({ command, saga }: OperationView, failure: Failure): Told {
  const told = toldOf(failure)
  const stays = STAYS[`${command} ${saga}`]
  return stays === undefined ? told : { ...told, text: `${stays}: ${told.text}` }
}
