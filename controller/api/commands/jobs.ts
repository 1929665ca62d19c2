import { listOperations, operationById, type ShownOperation } from '../../operations/operations.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import { type Command, defineCommand, EVERYONE, type Request } from '../command.ts'
import { isAdmin } from '../dispatch.ts'
import { jobFailure } from '../envelope.ts'
import { given } from '../given.ts'
import { ownershipParams } from '../ownership.ts'
import { date, entity, integer } from '../params.ts'
import { field, render, type Rendered } from '../shape.ts'
import { shownPath } from './user-shape.ts'

const shape = {
  accountid: field.string('the account id that executed the async command'),
  account: field.string('the account that executed the async command'),
  domainid: field.string('the domain id that executed the async command'),
  domainpath: field.string('the domain that executed the async command'),
  userid: field.string('the user that executed the async command'),
  cmd: field.string('the async command executed, as a class of CloudStack'),
  jobstatus: field.integer('the current job status: 0 in progress, 1 succeeded, 2 failed'),
  jobprocstatus: field.integer('the progress information of the PENDING job: 0'),
  jobresultcode: field.integer('the result code for the job: 0, or the error code'),
  jobresulttype: field.string('the result type: object'),
  jobresult: field.map('the result; in listAsyncJobs only of failed jobs'),
  jobinstancetype: field.string('the kind of entity that the job is about'),
  jobinstanceid: field.string('the id of the entity that the job is about'),
  created: field.date('the created date of the job'),
  completed: field.date('the completed date of the job'),
  jobid: field.string('the ID of the async job'),
} as const

/** Below what clients and proxies usually take for a dead connection. */
const LONGEST_WAIT_MS = 30_000

const query = defineCommand({
  name: 'queryAsyncJobResult',
  kind: 'sync',
  description: 'Tells how a job stands, and its result once it has ended.',
  roles: EVERYONE,
  params: {
    jobid: entity('operation', { required: true, description: 'the ID of the asynchronous job' }),
    wait: integer({
      description:
        'Extension: answers once the job has ended, at the latest after so many milliseconds, up to 30000; 0, the ' +
        'default, answers at once',
      least: 0,
      most: LONGEST_WAIT_MS,
    }),
  },
  response: { key: 'asyncjobs', shape, flat: true },
  async run(request) {
    const { system, closing, params } = request
    const { jobid, wait = 0 } = params
    if (wait > 0) await system.jobs.ended(jobid, wait, { until: closing })
    const operation = await operationById(system, jobid)
    const jobresult = operation.state === 'succeeded' ? await resultOf(request, operation) : undefined
    const job = { ...rendered(operation), ...(jobresult === undefined ? {} : { jobresult }) }
    // The one object that CloudStack answers bare.
    return { raw: render(shape, job, { admin: isAdmin(request.caller) }) }
  },
})

const list = defineCommand({
  name: 'listAsyncJobs',
  kind: 'sync',
  description: 'Lists jobs, newest first.',
  roles: EVERYONE,
  params: { startdate: date({ description: 'only jobs from then on' }), ...ownershipParams },
  response: { key: 'asyncjobs', shape, list: true },
  async run(request) {
    const { params, system, page } = request
    const ownership = await ownershipOf(request, params)
    const { count, items } = await listOperations(system, { ownership, ...given({ since: params.startdate }) }, page)
    return { count, list: items.map(rendered) }
  },
})

/** CloudStack's resource types, by ours. */
const INSTANCES: Readonly<Record<string, string>> = {
  volume: 'Volume',
  snapshot: 'Snapshot',
  vm: 'VirtualMachine',
  pool: 'StoragePool',
  host: 'Host',
  template: 'Template',
  account: 'Account',
}

function rendered(operation: ShownOperation): Rendered<typeof shape> {
  const { state, subject, owner, told, command } = operation
  const ended = state === 'succeeded' || state === 'failed' || state === 'aborted'
  const failed = ended && state !== 'succeeded'
  return {
    jobid: operation.id,
    accountid: operation.accountId,
    account: owner?.accountName,
    domainid: owner?.domainId,
    domainpath: owner && shownPath(owner.domainPath),
    userid: operation.principalId,
    cmd: `org.apache.cloudstack.api.command.user.${command.charAt(0).toUpperCase()}${command.slice(1)}Cmd`,
    jobstatus: ended ? (failed ? 2 : 1) : 0,
    jobprocstatus: 0,
    jobresultcode: failed ? (told?.http ?? 530) : 0,
    jobresulttype: ended ? 'object' : undefined,
    jobresult: failed ? jobFailure(told ?? { http: 530, cs: undefined, text: 'The operation failed' }) : undefined,
    jobinstancetype: subject && (INSTANCES[subject.kind] ?? subject.kind),
    jobinstanceid: subject?.id,
    created: operation.createdAt,
    completed: operation.endedAt,
  }
}

/** The subject as it is now, rendered by the command that was asked for. */
async function resultOf(
  { system, caller, commands }: Request<unknown>,
  operation: ShownOperation,
): Promise<Readonly<Record<string, unknown>>> {
  const command: Command | undefined = commands.get(operation.command)
  const { subject } = operation
  const object = subject && (await command?.result?.({ system, caller, subject: subject.id }))
  if (command === undefined || object === undefined) return { success: true }
  const { key, shape: fields } = command.response
  return { [key]: render(fields, object, { admin: isAdmin(caller) }) }
}

/** The commands about jobs. */
export const jobCommands = [query, list] as const
