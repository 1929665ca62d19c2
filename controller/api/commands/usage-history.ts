import { sightOf } from '../../operations/ownership.ts'
import { usagePeriod } from '../../operations/usage.ts'
import { type IoMoment, ioHistory } from '../../store/queries/volume-io.ts'
import { listVolumes } from '../../store/queries/volumes.ts'
import { defineCommand, EVERYONE } from '../command.ts'
import { given } from '../given.ts'
import { date, entities, entity, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { idsOf } from './listed.ts'

const momentFields = {
  timestamp: field.date('when the counters were read'),
  diskioread: field.long('read requests since they were read before'),
  diskiowrite: field.long('write requests since then'),
  diskiopstotal: field.long('read and write requests since then'),
  diskkbsread: field.long('KiB read since then'),
  diskkbswrite: field.long('KiB written since then'),
} as const

const DAY_MS = 86_400_000

const list = defineCommand({
  name: 'listVolumesUsageHistory',
  kind: 'sync',
  description: 'Lists the I/O of volumes as it was read, every five minutes where there was any.',
  since: '4.18.0',
  roles: EVERYONE,
  params: {
    id: entity('volume', { description: 'the ID of the volume' }),
    ids: entities('volume', { description: 'the IDs of the volumes' }),
    name: text({ description: 'a part of the name of the volumes' }),
    startdate: date({ description: 'from then on; a day before enddate if not given' }),
    enddate: date({ dayEnds: true, description: 'until then; now if not given' }),
  },
  response: {
    key: 'volume',
    list: true,
    shape: {
      id: field.string('the ID of the volume'),
      name: field.string('the name of the volume'),
      stats: field.list(momentFields, 'what was read, the oldest first'),
    },
  },
  async run({ system, caller, params, page }) {
    const { enddate = new Date(), name } = params
    const { since, till } = usagePeriod(params.startdate ?? new Date(enddate.getTime() - DAY_MS), enddate)
    const filter = { ownership: sightOf(caller), ...given({ ids: idsOf(params), keyword: name || undefined }) }
    const { reader } = system.store
    const { count, items } = await listVolumes(reader, filter, { window: page })
    const history = await ioHistory(reader, { volumes: items.map(({ id }) => id), since, till })
    return {
      count,
      list: items.map((volume) => ({
        id: volume.id,
        name: volume.name,
        stats: (history.get(volume.id) ?? []).map(rendered),
      })),
    }
  },
})

function rendered({ at, readOps, writeOps, readBytes, writeBytes }: IoMoment): Rendered<typeof momentFields> {
  return {
    timestamp: at,
    diskioread: readOps,
    diskiowrite: writeOps,
    diskiopstotal: readOps + writeOps,
    diskkbsread: Math.floor(readBytes / 1024),
    diskkbswrite: Math.floor(writeBytes / 1024),
  }
}

/** The command about what was used when. */
export const usageHistoryCommands = [list] as const
