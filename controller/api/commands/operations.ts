import {
  abortOperation,
  listOperationLog,
  listOperations,
  operationById,
  retryOperation,
  type ShownOperation,
} from '../../operations/operations.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import type { LogEntryView } from '../../store/queries/operation-log.ts'
import { defineCommand, EVERYONE, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { ownershipParams } from '../ownership.ts'
import { choice, date, entity, text, uuid } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const OPEN = ['queued', 'running', 'undoing'] as const
const ENDED = ['succeeded', 'failed', 'aborted'] as const

const shape = {
  id: field.string('ID of the operation: the job id'),
  command: field.string('the command that asked for it'),
  state: field.string('queued, running, undoing, succeeded, failed or aborted'),
  lane: field.string('access before motion before housekeeping'),
  step: field.string('the step at work, or the next one'),
  attempt: field.integer('failed attempts at that step so far'),
  retryat: field.date('when the next attempt is'),
  retryreason: field.string('why the last attempt failed', { admin: true }),
  progressdone: field.long('how far the step has come'),
  progresstotal: field.long('how far it has to go, where that is known'),
  progressunit: field.string('bytes or items'),
  progressnote: field.string('what it is at'),
  account: field.string('the account whose it is'),
  domainid: field.string('the domain of the account'),
  domain: field.string('the name of the domain'),
  subjecttype: field.string('the kind of entity that it is about'),
  subjectid: field.string('the ID of the entity that it is about'),
  created: field.date('when it was asked for'),
  started: field.date('when it was first taken up'),
  completed: field.date('when it ended'),
  queuems: field.long('milliseconds that it waited until it was taken up'),
  waitsfor: field.list(
    {
      resource: field.string('what it needs'),
      operation: field.string('the operation that has it, or is before it in line'),
      command: field.string('the command of that operation'),
      holds: field.boolean('true: that operation has it'),
    },
    'why it is queued',
  ),
  abortasked: field.boolean('true when it was asked to stop'),
  takeovers: field.integer('how often another controller took it over'),
  abandoned: field.boolean('true when its controller is gone and none has taken it over yet'),
  fence: field.long('grows with every take-over', { admin: true }),
  node: field.string('the controller that runs it, or ran it last', { admin: true }),
  saga: field.string('the saga that it runs', { admin: true }),
  errorcode: field.integer('error code, where it failed'),
  errortext: field.string('why it failed'),
  internalerror: field.string('why it failed, for operators', { admin: true }),
} as const

const logShape = {
  at: field.date('when'),
  kind: field.string('submitted, claimed, step done, retry, call, ...'),
  step: field.string('the step'),
  target: field.string('of a call: the pool or host, as pool:ID'),
  method: field.string('of a call: what was asked of it'),
  ms: field.integer('of a call: milliseconds until the answer'),
  outcome: field.string('of a call: ok, or the failure code'),
  effect: field.string('of a failed call: whether the change may have happened: none or possible'),
  node: field.string('the controller', { admin: true }),
  fence: field.long('the fence under which it happened', { admin: true }),
  detail: field.map('everything else that is known', { admin: true }),
} as const

const operation = { key: 'operation', shape } as const

const list = defineCommand({
  name: 'listOperations',
  kind: 'sync',
  description: 'Lists operations, newest first: what they are at, why they wait, why they failed.',
  extension: true,
  roles: EVERYONE,
  params: {
    id: entity('operation', { description: 'the operation' }),
    state: choice(['open', 'ended', ...OPEN, ...ENDED], { description: 'a state; or open or ended' }),
    subjectid: uuid({ description: 'operations about the entity with this ID' }),
    forcommand: text({ description: 'operations that this command asked for' }),
    startdate: date({ description: 'operations asked for from then on' }),
    ...ownershipParams,
  },
  response: { ...operation, list: true },
  async run(request) {
    const { params, system, page } = request
    if (params.id !== undefined) {
      return { count: 1, list: [rendered(await operationById(system, params.id))].slice(page.offset) }
    }
    const { state, subjectid: subject, forcommand: command, startdate: since } = params
    const states = state === 'open' ? OPEN : state === 'ended' ? ENDED : state && [state]
    const asked = {
      ownership: await ownershipOf(request, params, { byId: true }),
      ...given({ states, subject, command, since }),
    }
    const { count, items } = await listOperations(system, asked, page)
    return { count, list: items.map(rendered) }
  },
})

const logs = defineCommand({
  name: 'listOperationLogs',
  kind: 'sync',
  description: 'Lists what happened in an operation, every call of a plug-in included, oldest first.',
  extension: true,
  roles: EVERYONE,
  params: { id: entity('operation', { required: true, description: 'the operation' }) },
  response: { key: 'operationlog', shape: logShape, list: true },
  async run({ system, params, page }) {
    const { count, items } = await listOperationLog(system, params.id, page)
    return { count, list: items.map(renderedEntry) }
  },
})

const abort = defineCommand({
  name: 'abortOperation',
  kind: 'sync',
  description: 'Asks an operation to stop and to undo what it started. It ends on its own time.',
  extension: true,
  roles: TENANTS,
  params: { id: entity('operation', { required: true, description: 'the operation' }) },
  response: operation,
  async run({ system, params }) {
    await abortOperation(system, params.id)
    return { object: rendered(await operationById(system, params.id)) }
  },
})

const retry = defineCommand({
  name: 'retryOperation',
  kind: 'sync',
  description: 'Lets an operation that waits for its next attempt make it now.',
  extension: true,
  roles: TENANTS,
  params: { id: entity('operation', { required: true, description: 'the operation' }) },
  response: operation,
  async run({ system, params }) {
    await retryOperation(system, params.id)
    return { object: rendered(await operationById(system, params.id)) }
  },
})

function rendered(view: ShownOperation): Rendered<typeof shape> {
  const { id, command, state, lane, step, attempt, takeovers, abandoned, fence, node, saga } = view
  const { progress, owner, subject, told } = view
  return {
    id,
    command,
    state,
    lane,
    step,
    attempt,
    takeovers,
    abandoned,
    fence,
    node,
    saga,
    retryat: view.retryAt,
    retryreason: view.retryWhy,
    progressdone: progress?.done,
    progresstotal: progress?.total,
    progressunit: progress?.unit,
    progressnote: progress?.note,
    account: owner?.accountName,
    domainid: owner?.domainId,
    domain: owner?.domainName,
    subjecttype: subject?.kind,
    subjectid: subject?.id,
    created: view.createdAt,
    started: view.startedAt,
    completed: view.endedAt,
    queuems: view.queueMs,
    waitsfor: view.waitsFor.length === 0 ? undefined : view.waitsFor,
    abortasked: view.abortAsked,
    errorcode: told?.http,
    errortext: told?.text,
    internalerror: told?.internal,
  }
}

function renderedEntry({ at, kind, step, node, fence, detail }: LogEntryView): Rendered<typeof logShape> {
  const said = (name: string) => (typeof detail[name] === 'string' ? detail[name] : undefined)
  return {
    at,
    kind,
    step,
    node,
    fence,
    detail,
    target: said('target'),
    method: said('method'),
    ms: typeof detail['ms'] === 'number' ? Math.round(detail['ms']) : undefined,
    outcome: said('outcome'),
    effect: said('effect'),
  }
}

/** The commands about operations: more of jobs than CloudStack knows. */
export const operationCommands = [list, logs, abort, retry] as const
