import { resolveFinding } from '../../operations/census-resolve.ts'
import { runCensus } from '../../operations/census-run.ts'
import { accountNamed } from '../../operations/ownership.ts'
import { listFindings } from '../../store/queries/census.ts'
import { defineCommand, OPERATORS, OPERATORS_READING, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, date, entity, flag, integer, text } from '../params.ts'
import { field } from '../shape.ts'

const run = defineCommand({
  name: 'runCensus',
  kind: 'async',
  extension: true,
  description:
    'Compares what arrays and hosts hold with what is recorded, and keeps the differences. Changes nothing else.',
  roles: OPERATORS,
  params: {
    graceseconds: integer({
      least: 0,
      description: 'what a back end holds for less than that is not called an orphan',
    }),
  },
  response: SUCCESS,
  run: ({ system, caller, params: { graceseconds } }) =>
    runCensus({ system, caller }, given({ graceSeconds: graceseconds })),
})

const list = defineCommand({
  name: 'listCensusFindings',
  kind: 'sync',
  extension: true,
  description: 'Lists what censuses found, the newest first.',
  roles: OPERATORS_READING,
  params: {
    keyword,
    id: entity('censusfinding', { description: 'the ID of the finding' }),
    kind: choice(['orphan', 'ghost', 'drifted', 'duplicated', 'stale', 'foreign'], {
      description: 'what is wrong with the object',
    }),
    class: text({ description: 'a class of findings, as docs/reference/census.md names them' }),
    state: choice(['open', 'ignored', 'recycled', 'gone'], { description: 'open: the last census saw it still' }),
  },
  response: {
    key: 'censusfinding',
    list: true,
    shape: {
      id: field.string('ID of the finding'),
      kind: field.string(
        'orphan: there and not recorded; ghost: recorded and not there; drifted: other than recorded; duplicated: in two places; stale: left over; foreign: not ours',
      ),
      class: field.string('the kind of finding and of object, as docs/reference/census.md names them'),
      actions: field.strings('what may be done about it now: adopt, recycle, ignore, repair'),
      where: field.string('the pool or host that holds it, or should'),
      object: field.string('what it is and its name there'),
      detail: field.string('in which respect it differs'),
      ageseconds: field.long('seconds since it was first seen'),
      bytes: field.long('size of the object as provisioned, where it has one'),
      state: field.string('open, ignored, recycled (to be deleted after census.recycle.retention) or gone'),
      reason: field.string('why it is ignored, as whoever ignored it said'),
      ignoreduntil: field.date('until when it is ignored; absent: as long as it does not change'),
      recycled: field.date('when it was put into the recycle bin'),
      expires: field.date('from when on what is recycled is deleted; until then adopt takes it back'),
      resolution: field.string('what was done about it last'),
      firstseen: field.date('when it was first seen'),
      lastseen: field.date('when it was last seen'),
    },
  },
  async run({ system, params: { id, kind, state, ...params }, page }) {
    const { class: name, keyword: part } = params
    const filter = given({ ids: id === undefined ? undefined : [id], kind, class: name, state, keyword: part })
    const { items, count } = await listFindings(system.store.reader, filter, page)
    const rows = items.map((finding) => ({
      id: finding.id,
      kind: finding.kind,
      class: finding.class,
      actions: finding.actions,
      where: finding.place,
      object: finding.object,
      detail: finding.detail,
      ageseconds: finding.ageSeconds,
      state: finding.state,
      firstseen: finding.firstSeenAt,
      lastseen: finding.lastSeenAt,
      bytes: finding.bytes,
      reason: finding.reason,
      ignoreduntil: finding.ignoredUntil,
      recycled: finding.recycledAt,
      expires: finding.expiresAt,
      resolution: finding.resolution,
    }))
    return { list: rows, count }
  },
})

const resolve = defineCommand({
  name: 'resolveCensusFinding',
  kind: 'async',
  extension: true,
  description:
    'Does something about a census finding, if it still holds: which actions it allows is in listCensusFindings.',
  roles: OPERATORS,
  params: {
    id: entity('censusfinding', { required: true, description: 'the ID of the finding' }),
    action: choice(['adopt', 'recycle', 'ignore', 'repair'], {
      required: true,
      description:
        'adopt: make the object a volume or snapshot of an account; recycle: withdraw its access, and delete it after census.recycle.retention unless it is adopted before; ignore; repair: make back end and record agree',
    }),
    account: text({ description: 'adopt: the account whose it is to be; in the domain given by domainid' }),
    domainid: entity('domain', { description: 'adopt: the domain of the account' }),
    name: text({ description: 'adopt: its name; its ID if not given' }),
    confirm: flag({ description: 'repair: true where it ends a machine or gives up what is lost' }),
    reason: text({ description: 'ignore: why' }),
    until: date({ description: 'ignore: until when; until it changes if not given' }),
  },
  response: SUCCESS,
  async run({ system, caller, params: { id, action, account, domainid, ...more } }) {
    const owner =
      account === undefined ? undefined : await accountNamed({ system, caller }, { account, domain: domainid })
    return resolveFinding({ system, caller }, { finding: id, action, ...given({ account: owner, ...more }) })
  },
})

/** The commands about the census. */
export const censusCommands = [run, list, resolve] as const
