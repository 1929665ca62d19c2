import { runCensus } from '../../operations/census-run.ts'
import { listFindings } from '../../store/queries/census.ts'
import { defineCommand, OPERATORS, OPERATORS_READING, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { choice, entity, integer } from '../params.ts'
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
      resolution: field.string('what was done about it last'),
      firstseen: field.date('when it was first seen'),
      lastseen: field.date('when it was last seen'),
    },
  },
  async run({ system, params: { id, kind, state, ...params }, page }) {
    const filter = given({ ids: id === undefined ? undefined : [id], kind, state, keyword: params.keyword })
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
      resolution: finding.resolution,
    }))
    return { list: rows, count }
  },
})

/** The commands about the census. */
export const censusCommands = [run, list] as const
