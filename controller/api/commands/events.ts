import { forgetEvents, putEventsAway } from '../../operations/event-archive.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import { type EventView, listEvents } from '../../store/queries/events.ts'
import { defineCommand, EVERYONE, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { choice, date, entities, entity, flag, text, uuid } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { shownPath } from './user-shape.ts'

const shape = {
  id: field.string('the ID of the event'),
  username: field.string('the name of the user who performed the action; absent where it was Moorage itself'),
  type: field.string('the type of the event, as VOLUME.CREATE'),
  level: field.string('the event level: INFO, WARN or ERROR'),
  description: field.string('a brief description of the event'),
  account: field.string('the account name for the account that owns the object being acted on'),
  domainid: field.string("the id of the account's domain"),
  domain: field.string("the name of the account's domain"),
  domainpath: field.string("the path of the account's domain"),
  resourceid: field.string('the id of the resource'),
  resourcetype: field.string('the type of the resource'),
  created: field.date('the date the event was created'),
  state: field.string('the state of the event: Created, Scheduled, Started or Completed'),
  parentid: field.string('the operation that it belongs to'),
  archived: field.boolean('whether it was archived'),
} as const

const LEVELS = ['INFO', 'WARN', 'ERROR'] as const
const STATES = ['Created', 'Scheduled', 'Started', 'Completed'] as const

const list = defineCommand({
  name: 'listEvents',
  kind: 'sync',
  description: 'Lists what happened, newest first.',
  roles: EVERYONE,
  params: {
    id: entity('event', { description: 'the ID of the event' }),
    type: text({ description: 'the event type' }),
    level: choice(LEVELS, { description: 'the event level' }),
    state: choice(STATES, { description: 'the state of the event' }),
    startdate: date({ description: 'events from then on' }),
    enddate: date({ description: 'events until then' }),
    startid: entity('operation', { description: 'the events of one operation' }),
    resourceid: uuid({ description: 'the ID of the resource' }),
    resourcetype: text({ description: 'the type of the resource' }),
    archived: flag({ description: 'true: archived ones, too' }),
    keyword,
    ...ownershipParams,
  },
  response: { key: 'event', shape, list: true },
  async run(request) {
    const { params, system, page } = request
    const {
      id,
      type,
      level,
      state,
      startdate: since,
      enddate,
      startid: operation,
      resourceid: resource,
      resourcetype,
    } = params
    const byId = id !== undefined || resource !== undefined || operation !== undefined
    const ownership = await ownershipOf(request, params, { byId })
    const wanted = {
      id,
      type,
      level,
      state,
      since,
      until: endOf(enddate),
      operation,
      resource,
      resourceKind: resourcetype,
      archived: params.archived,
    }
    const filter = { ownership, ...given({ ...wanted, keyword: params.keyword }) }
    const { count, items } = await listEvents(system.store.reader, filter, page)
    return { count, list: items.map(rendered) }
  },
})

/** A date without a time means the whole day, as CloudStack reads it. */
function endOf(enddate: Date | undefined): Date | undefined {
  const isDay = enddate !== undefined && enddate.getTime() % 86_400_000 === 0
  return isDay ? new Date(enddate.getTime() + 86_399_999) : enddate
}

function rendered(view: EventView): Rendered<typeof shape> {
  return {
    id: view.id,
    username: view.username,
    type: view.type,
    level: view.level,
    description: view.description,
    account: view.accountName,
    domainid: view.domainId,
    domain: view.domainName,
    domainpath: view.domainPath === null ? undefined : shownPath(view.domainPath),
    resourceid: view.resourceId,
    resourcetype: view.resourceKind,
    created: view.createdAt,
    state: view.state,
    parentid: view.operationId,
    archived: view.archived,
  }
}

const selection = {
  ids: entities('event', { description: 'the IDs of the events' }),
  type: text({ description: 'events of this type' }),
  startdate: date({ description: 'events from then on; with enddate' }),
  enddate: date({ dayEnds: true, description: 'events before then; a day is included' }),
}

const archive = defineCommand({
  name: 'archiveEvents',
  kind: 'sync',
  description: 'Archives events: they are listed with archived=true only. Those of others are left alone.',
  roles: TENANTS,
  params: selection,
  response: SUCCESS,
  async run(request) {
    const { ids, type, startdate: since, enddate: until } = request.params
    await putEventsAway(request, given({ ids, type, since, until }))
    return { success: true }
  },
})

const remove = defineCommand({
  name: 'deleteEvents',
  kind: 'sync',
  description: 'Deletes events for good; the audit keeps its own record. Those of others are left alone.',
  roles: TENANTS,
  params: selection,
  response: SUCCESS,
  async run(request) {
    const { ids, type, startdate: since, enddate: until } = request.params
    await forgetEvents(request, given({ ids, type, since, until }))
    return { success: true }
  },
})

/** The commands about events. */
export const eventCommands = [list, archive, remove] as const
