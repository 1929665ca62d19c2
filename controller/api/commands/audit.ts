import { listAudit, type AuditView } from '../../store/queries/audit.ts'
import { defineCommand, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { choice, date, entity, text, uuid } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const OUTCOMES = ['done', 'accepted', 'refused', 'failed'] as const

const shape = {
  id: field.long('number of the record, in the order in which records were begun'),
  position: field.long('place in the chain; absent until the record is sealed, within seconds'),
  created: field.date('when it was written'),
  forcommand: field.string('the command that was asked for'),
  outcome: field.string('done, accepted (as an operation), refused or failed'),
  accountid: field.string('the ID of the account that asked; absent where nobody was recognised'),
  account: field.string('the name of that account at that time'),
  userid: field.string('the ID of the user that asked'),
  username: field.string('the name of that user at that time'),
  source: field.string('the address from which the request came'),
  parameters: field.string('the parameters as JSON, without secrets'),
  jobid: field.string('the ID of the operation that was begun'),
  requestid: field.string('the ID of the request'),
  errorcode: field.integer('error code, where it was refused or failed'),
  errortext: field.string('why it was refused or failed'),
  node: field.string('the controller that answered'),
  previoushash: field.string('the hash of the record before it in the chain'),
  hash: field.string('the hash of this record, its place and all before it'),
} as const

const list = defineCommand({
  name: 'listAuditRecords',
  kind: 'sync',
  description:
    'Lists who asked for what, refused attempts included, newest first: every command but those that only read.',
  extension: true,
  roles: OPERATORS_READING,
  params: {
    accountid: entity('account', { removed: true, description: 'records of this account' }),
    userid: entity('user', { removed: true, description: 'records of this user' }),
    source: text({ description: 'records of requests from this address' }),
    forcommand: text({ description: 'records of this command' }),
    outcome: choice(OUTCOMES, { description: 'done, accepted, refused or failed' }),
    requestid: uuid({ description: 'records of this request' }),
    jobid: uuid({ description: 'the record that began this operation' }),
    startdate: date({ description: 'records written from then on' }),
    enddate: date({ description: 'records written before' }),
  },
  response: { key: 'auditrecord', shape, list: true },
  async run({ system, params, page }) {
    const { accountid, userid, source, forcommand, outcome, requestid, jobid, startdate, enddate } = params
    const who = { account: accountid, principal: userid, source: source || undefined, command: forcommand || undefined }
    const what = { outcome, request: requestid, operation: jobid, since: startdate, until: enddate }
    const { count, items } = await listAudit(system.store.reader, given({ ...who, ...what }), page)
    return { count, list: items.map(rendered) }
  },
})

function rendered(view: AuditView): Rendered<typeof shape> {
  return {
    id: view.seq,
    position: view.position,
    created: view.at,
    forcommand: view.command,
    outcome: view.outcome,
    accountid: view.accountId,
    account: view.account || undefined,
    userid: view.principalId,
    username: view.username || undefined,
    source: view.source,
    parameters: view.params,
    jobid: view.operationId,
    requestid: view.request,
    errorcode: view.code,
    errortext: view.text || undefined,
    node: view.node,
    previoushash: view.previous?.toString('hex'),
    hash: view.hash?.toString('hex'),
  }
}

/** The command about the audit. */
export const auditCommands = [list] as const
