import type { Role } from '../../operations/context.ts'
import { refuse } from '../../operations/refusals.ts'
import { type Command, defineCommand, EVERYONE } from '../command.ts'
import { isAdmin } from '../dispatch.ts'
import { pageParams } from '../paging.ts'
import { type Param, shown, text } from '../params.ts'
import { field, type Shape } from '../shape.ts'

const paramFields = {
  name: field.string('the name of the api parameter'),
  description: field.string('description of the api parameter'),
  type: field.string('parameter type'),
  length: field.integer('length of the parameter'),
  required: field.boolean('true if this parameter is required for the api request'),
  since: field.string('version of CloudStack the api was introduced in'),
  related: field.string('comma separated related apis to get the parameter'),
} as const

const responseFields = {
  name: field.string('the name of the api response field'),
  description: field.string('description of the api response field'),
  type: field.string('response field type'),
  response: field.list(
    {
      name: field.string('the name of the field inside'),
      description: field.string('description of the field inside'),
      type: field.string('type of the field inside'),
    },
    'fields of the objects inside',
  ),
} as const

const shape = {
  name: field.string('the name of the api command'),
  description: field.string('description of the api'),
  since: field.string('version of CloudStack the api was introduced in'),
  isasync: field.boolean('true if api is asynchronous'),
  related: field.string('comma separated related apis'),
  httprequesttype: field.string('GET for apis that read, POST for the others; both are accepted'),
  params: field.list(paramFields, 'the list params the api accepts'),
  response: field.list(responseFields, 'api response fields'),
} as const

const list = defineCommand({
  name: 'listApis',
  kind: 'sync',
  description: 'Lists the commands that the caller may use, with their parameters and answers.',
  since: '4.1.0',
  roles: EVERYONE,
  params: { name: text({ description: 'API name' }) },
  // In one piece, as CloudStack has it: clients build their command tables from it and do not page.
  response: { key: 'api', shape },
  async run({ commands, caller, params }) {
    const all = [...commands.values()].filter(({ roles }) => roles.includes(caller.role))
    const asked = params.name === undefined ? all : all.filter(({ name }) => name === params.name)
    if (asked.length === 0) throw refuse('INVALID', `API name '${shown(params.name ?? '')}' not found`)
    return { list: asked.map((command) => describeCommand(command, all, caller.role)), count: asked.length }
  },
})

/** A command as listApis tells of it to callers of that role; `all` are those that it may use. */
function describeCommand(command: Command, all: readonly Command[], role: Role) {
  const { name, description, since, kind, response } = command
  const admin = isAdmin({ role })
  const params = { ...command.params, ...(response.list === true ? pageParams : {}) }
  return {
    name,
    description,
    since,
    isasync: kind !== 'sync',
    related: relatedTo(response.key, all, name),
    httprequesttype: /^(list|get|query|find)/.test(name) ? 'GET' : 'POST',
    params: Object.entries(params)
      .filter(([, param]) => param.admin !== true || admin)
      .map(([param, of]) => ({ name: param, ...describeParam(of, all) })),
    response: describeShape(response.shape, admin),
  }
}

function describeParam(param: Param<unknown>, all: readonly Command[]) {
  const { description, type, length, needed, since, entity } = param
  const related = entity === undefined ? undefined : relatedTo(KEYS[entity] ?? entity, all, '')
  return { description, type, length, required: needed, since, related }
}

/** Kinds of entities whose lists have another key. */
const KEYS: Readonly<Record<string, string>> = { pool: 'storagepool', vm: 'virtualmachine', operation: 'asyncjobs' }

function relatedTo(key: string, all: readonly Command[], self: string): string {
  return all
    .filter(({ name, response }) => response.key === key && key !== 'success' && name !== self)
    .map(({ name }) => name)
    .join(',')
}

function describeShape(shape: Shape, admin: boolean) {
  return Object.entries(shape)
    .filter(([, of]) => of.admin !== true || admin)
    .map(([name, { description, type, fields }]) => ({
      name,
      description,
      type,
      ...(fields === undefined ? {} : { response: describeInner(fields, admin) }),
    }))
}

function describeInner(fields: Shape, admin: boolean) {
  return Object.entries(fields)
    .filter(([, of]) => of.admin !== true || admin)
    .map(([name, { description, type }]) => ({ name, description, type }))
}

/** The command about the commands. */
export const apiCommands = [list] as const
