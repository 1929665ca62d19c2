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
    kind: choice(['orphan', 'ghost', 'drifted', 'foreign'], { description: 'what is wrong with the object' }),
    state: choice(['open', 'gone', 'ignored'], { description: 'open: the last census saw it still' }),
  },
  response: {
    key: 'censusfinding',
    list: true,
    shape: {
      id: field.string('ID of the finding'),
      kind: field.string(
        'orphan: there and not recorded; ghost: recorded and not there; drifted: other than recorded; foreign: not ours',
      ),
      where: field.string('the pool or host that holds it, or should'),
      object: field.string('what it is and its name there'),
      detail: field.string('in which respect it differs'),
      ageseconds: field.long('seconds since it was first seen'),
      state: field.string('open, gone or ignored'),
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
      where: finding.place,
      object: finding.object,
      detail: finding.detail,
      ageseconds: finding.ageSeconds,
      state: finding.state,
      firstseen: finding.firstSeenAt,
      lastseen: finding.lastSeenAt,
    }))
    return { list: rows, count }
  },
})

/** The commands about the census. */
export const censusCommands = [run, list] as const
