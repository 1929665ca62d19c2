import { randomUUID } from 'node:crypto'
import type { SagaHead } from '../sagas/head.ts'
import { recordEvent } from '../store/events.ts'
import type { Tx } from '../store/store.ts'
import type { Caller, System } from './context.ts'

/** On whose behalf something is done, and with what. */
export interface By {
  readonly system: System
  readonly caller: Caller
}

/** What happened, as `listEvents` shows it. `account` absent: nobody's, for operators only. `resource` absent: about nothing in particular. */
export interface Happening {
  /** CloudStack's event type, as `VOLUME.ATTACH`. */
  readonly type: string
  readonly description: string
  readonly account?: string
  readonly resource?: { readonly kind: string; readonly id: string }
}

/** An operation to submit. `command` is the API command that asks for it. */
export interface Order<Input> {
  readonly command: string
  readonly head: SagaHead<Input>
  readonly input: Input
  readonly event: Happening
}

/** Records an operation and its event in the caller's transaction and answers its id. It runs once that has committed. */
export async function submit<Input>(tx: Tx, by: By, order: Order<Input>): Promise<string> {
  const id = randomUUID()
  const submission = await order.head.submission(tx, order.input)
  const { accountId: account, principalId: user } = by.caller
  await by.system.jobs.submit(tx, { ...submission, id, account, user, command: order.command })
  await note(tx, by, { ...order.event, operation: id })
  return id
}

/** Runs `work` in one transaction; what it submitted runs then. */
export async function carriedOut<Result>({ system }: By, work: (tx: Tx) => Promise<Result>): Promise<Result> {
  return await system.store.transact(work)
}

/** Records what happened at once, or with `operation`: what was asked for. */
export async function note(tx: Tx, by: By, what: Happening & { readonly operation?: string }): Promise<void> {
  await recordEvent(tx, {
    type: what.type,
    state: what.operation === undefined ? 'Completed' : 'Scheduled',
    description: what.description,
    ...(what.account === undefined ? {} : { account: what.account }),
    principal: by.caller.principalId,
    ...(what.resource === undefined ? {} : { resource: what.resource }),
    ...(what.operation === undefined ? {} : { operation: what.operation }),
  })
}
