import { addDetails, detailed, DETAILED_TYPES, detailedId, takeDetails } from '../../operations/resource-details.ts'
import { refuse } from '../../operations/refusals.ts'
import { listDetails } from '../../store/queries/resource-details.ts'
import { defineCommand, EVERYONE, OPERATORS, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { flag, map, text } from '../params.ts'
import { field } from '../shape.ts'
import { isAdmin } from '../dispatch.ts'

const resource = {
  resourcetype: text({ required: true, description: `type of the resource: ${DETAILED_TYPES}` }),
  resourceid: text({ required: true, description: 'the ID of the resource' }),
}

const add = defineCommand({
  name: 'addResourceDetail',
  kind: 'async',
  description: 'Puts names and values on a resource, which nothing here reads.',
  roles: OPERATORS,
  params: {
    ...resource,
    details: map({ required: true, description: 'map of names and values' }),
    fordisplay: flag({ description: 'false: tenants do not see it; they do unless told' }),
  },
  response: SUCCESS,
  async run(request) {
    const { resourcetype, resourceid, details, fordisplay: display = true } = request.params
    return {
      operation: await addDetails(request, { type: detailed(resourcetype), id: resourceid }, { details, display }),
    }
  },
})

const remove = defineCommand({
  name: 'removeResourceDetail',
  kind: 'async',
  description: 'Takes names and values off a resource.',
  roles: OPERATORS,
  params: { ...resource, key: text({ description: 'which one; all if not given' }) },
  response: SUCCESS,
  async run(request) {
    const { resourcetype, resourceid, key } = request.params
    return { operation: await takeDetails(request, { type: detailed(resourcetype), id: resourceid }, key || undefined) }
  },
})

const list = defineCommand({
  name: 'listResourceDetails',
  kind: 'sync',
  description: 'Lists names and values that operators have put on resources.',
  since: '4.2',
  roles: EVERYONE,
  params: {
    resourcetype: resource.resourcetype,
    resourceid: text({ description: 'the ID of the resource; operators may leave it out' }),
    key: text({ description: 'list by key' }),
    value: text({ admin: true, description: 'list by value' }),
    fordisplay: flag({ admin: true, description: 'list by whether tenants see it' }),
    keyword,
    ...ownershipParams,
  },
  response: {
    key: 'resourcedetail',
    list: true,
    shape: {
      resourceid: field.string('ID of the resource'),
      resourcetype: field.string('type of the resource'),
      key: field.string('name of the detail'),
      value: field.string('value of the detail'),
      fordisplay: field.boolean('whether tenants see it', { admin: true }),
    },
  },
  async run(request) {
    const { params, caller, system, page } = request
    const resourceType = detailed(params.resourcetype)
    const admin = isAdmin(caller)
    if (params.resourceid === undefined && !admin)
      throw refuse('INVALID', 'Invalid parameter resourceid: it must be given')
    const id = params.resourceid
    const found = id === undefined ? undefined : await detailedId(request, { type: resourceType, id })
    const display = admin ? params.fordisplay : true
    const { key, value } = params
    const filter = { resourceType, ...given({ resource: found, key, value, display, keyword: params.keyword }) }
    const { count, items } = await listDetails(system.store.reader, filter, page)
    return {
      count,
      list: items.map((one) => ({
        resourceid: one.resourceId,
        resourcetype: one.resourceType,
        key: one.key,
        value: one.value,
        fordisplay: one.display,
      })),
    }
  },
})

/** The commands about details of resources. */
export const resourceDetailCommands = [add, remove, list] as const
