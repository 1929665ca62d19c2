import { addMover, removeMover } from '../../operations/mover-add.ts'
import { listMovers, type MoverView } from '../../store/queries/movers.ts'
import { defineCommand, OPERATORS, OPERATORS_READING, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { entity, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const shape = {
  id: field.string('the ID of the mover'),
  name: field.string('its name'),
  zoneid: field.string('the Zone ID: snapshots of its pools are moved by it'),
  zonename: field.string('the name of the Zone'),
  url: field.string('where it listens'),
  initiator: field.string('the name under which it logs in to iSCSI targets'),
  accepts: field.strings('the protocols by which it reads and writes volumes and snapshots'),
  providers: field.strings('the image store providers that it can write'),
  version: field.string('its version'),
  reported: field.date('when it answered last'),
  unreachablesince: field.date('since when it does not answer; absent: it does'),
  created: field.date('when it was registered'),
} as const
const mover = { key: 'mover', shape } as const

function render(view: MoverView): Rendered<typeof shape> {
  return {
    id: view.id,
    name: view.name,
    zoneid: view.zoneId,
    zonename: view.zoneName,
    url: view.url,
    initiator: view.initiator,
    accepts: view.accepts,
    providers: view.archives,
    version: view.version,
    reported: view.reportedAt,
    unreachablesince: view.unreachableSince,
    created: view.createdAt,
  }
}

const add = defineCommand({
  name: 'addMover',
  kind: 'sync',
  description:
    'Registers a data mover, which reads snapshots into image stores and writes them back, once it has answered.',
  extension: true,
  roles: OPERATORS,
  params: {
    name: text({ description: 'the name for the mover; its url unless given' }),
    zoneid: entity('zone', { required: true, description: 'the Zone in which it moves' }),
    url: text({ required: true, length: 2048, description: 'where it listens, http://HOST:PORT' }),
    username: text({ required: true, description: 'the user in its credentials file' }),
    password: text({ required: true, secret: true, description: 'the password in its credentials file' }),
  },
  response: mover,
  async run({ system, caller, params: { name, zoneid, url, username, password } }) {
    const request = { zone: zoneid, url, username, password, ...given({ name: name || undefined }) }
    const id = await addMover({ system, caller }, request)
    const { items } = await listMovers(system.store.reader, { ids: [id] }, { offset: 0 })
    return { object: items.map(render)[0] ?? {} }
  },
})

const list = defineCommand({
  name: 'listMovers',
  kind: 'sync',
  description: 'Lists data movers.',
  extension: true,
  roles: OPERATORS_READING,
  params: {
    keyword,
    id: entity('mover', { removed: true, description: 'the ID of the mover' }),
    zoneid: entity('zone', { removed: true, description: 'the Zone ID of the mover' }),
  },
  response: { ...mover, list: true },
  async run({ system, params: { keyword: part, id, zoneid }, page }) {
    const filter = given({ ids: id === undefined ? undefined : [id], keyword: part, zone: zoneid })
    const { items, count } = await listMovers(system.store.reader, filter, page)
    return { list: items.map(render), count }
  },
})

const remove = defineCommand({
  name: 'deleteMover',
  kind: 'sync',
  description: 'Forgets a data mover. What it has begun others go on with.',
  extension: true,
  roles: OPERATORS,
  params: { id: entity('mover', { required: true, description: 'the ID of the mover' }) },
  response: SUCCESS,
  async run({ system, caller, params: { id } }) {
    await removeMover({ system, caller }, id)
    return { success: true }
  },
})

/** The commands about data movers. */
export const moverCommands = [add, list, remove] as const
