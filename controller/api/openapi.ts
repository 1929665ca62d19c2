import type { Command, Params, Response } from './command.ts'
import { envelopeOf } from './envelope.ts'
import { pageParams } from './paging.ts'
import type { Param } from './params.ts'
import { COMMANDS } from './registry.ts'
import type { Field, Shape } from './shape.ts'

/** A JSON Schema of the dialect of OpenAPI 3.1, or a part of the document. */
export type Schema = Readonly<Record<string, unknown>>

/** How CloudStack writes dates, which is not how RFC 3339 does. */
const DATE = String.raw`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+0000$`

/**
 * The API as an OpenAPI 3.1 document: one path, to which a form is sent whose `command` says which schema it has. For each
 * command there are the schemas `NAMERequest` and `NAMEResponse`; what is refused is answered by `Refused` in the envelope.
 */
export function openApi(commands: readonly Command[] = COMMANDS): Schema {
  const forms = commands.map((command) => [`${command.name}Request`, requestSchema(command)] as const)
  const answers = commands.map((command) => [`${command.name}Response`, responseSchema(command)] as const)
  const schemas = { Refused: REFUSED, ...Object.fromEntries(forms), ...Object.fromEntries(answers) }
  const mapping = Object.fromEntries(commands.map(({ name }) => [name, `#/components/schemas/${name}Request`]))
  const form = { oneOf: refs(forms), discriminator: { propertyName: 'command', mapping } }
  const answer = (description: string, schema: Schema) => ({ description, content: { 'application/json': { schema } } })
  return {
    openapi: '3.1.1',
    info: {
      title: 'Moorage',
      version: '1',
      summary: "CloudStack's query API, as Moorage answers it",
      license: LICENSE,
    },
    servers: [{ url: 'http://127.0.0.1:8080', description: 'where `moorage serve` listens unless told otherwise' }],
    security: [
      { apiKey: [], signature: [] },
      { session: [], sessionKey: [] },
    ],
    paths: {
      '/client/api': {
        post: {
          operationId: 'ask',
          summary: 'Any command. GET takes the same as a query, but of login.',
          requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema: form } } },
          responses: {
            '200': answer('Done, or a job was made of it', { oneOf: refs(answers) }),
            default: answer('Refused: the status is the code inside', { $ref: '#/components/schemas/Refused' }),
          },
        },
      },
    },
    components: { schemas, securitySchemes: SECURITY },
  }
}

/** The document as text: a line for each schema, so that a change of one command is a change of a line or two. */
export function openApiText(commands: readonly Command[] = COMMANDS): string {
  const { components, ...head } = openApi(commands)
  // Made just above.
  const { schemas, ...others } = components as { readonly schemas: Readonly<Record<string, unknown>> } // As said.
  const lines = Object.entries(schemas).map(
    ([name, schema]) => `    ${JSON.stringify(name)}: ${JSON.stringify(schema)}`,
  )
  const rest = JSON.stringify({ ...head, components: { ...others, schemas: '' } }, undefined, 1)
  return `${rest.replace(/"schemas": ""/, () => `"schemas": {\n${lines.join(',\n')}\n  }`)}\n`
}

const LICENSE = { name: 'Apache 2.0', identifier: 'Apache-2.0' } as const

const SECURITY = {
  apiKey: { type: 'apiKey', in: 'query', name: 'apiKey' },
  signature: {
    type: 'apiKey',
    in: 'query',
    name: 'signature',
    description: 'HMAC-SHA1 of the sorted, lower-cased query under the secret key, in base64',
  },
  session: { type: 'apiKey', in: 'cookie', name: 'JSESSIONID' },
  sessionKey: { type: 'apiKey', in: 'query', name: 'sessionkey' },
} as const

const REFUSED = {
  type: 'object',
  description: 'Under the envelope of the command, or under errorresponse where there is no such command.',
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: {
    type: 'object',
    required: ['errorcode', 'errortext'],
    properties: {
      uuidList: { type: 'array' },
      errorcode: { type: 'integer' },
      cserrorcode: { type: 'integer' },
      errortext: { type: 'string' },
    },
  },
} as const

function refs(named: readonly (readonly [string, Schema])[]): readonly Schema[] {
  return named.map(([name]) => ({ $ref: `#/components/schemas/${name}` }))
}

function requestSchema({ name, description, params, response }: Command): Schema {
  const all: Params = response.list === true ? { ...params, ...pageParams } : params
  const given = Object.entries(all)
  const texts = given.filter(([, { type }]) => type !== 'map')
  // A map is sent as `name[0].key=a&name[0].value=b` or `name[0].a=b`.
  const maps = given.filter(([, { type }]) => type === 'map')
  const patterns = maps.map(([map, param]) => [String.raw`^${map}\[\d+\]\..+$`, paramSchema(param)] as const)
  return {
    type: 'object',
    description,
    required: ['command', ...texts.filter(([, { needed }]) => needed).map(([text]) => text)],
    properties: {
      command: { const: name },
      ...Object.fromEntries(texts.map(([text, param]) => [text, paramSchema(param)])),
    },
    ...(patterns.length === 0 ? {} : { patternProperties: Object.fromEntries(patterns) }),
  }
}

const PARAM_TYPES = {
  uuid: { type: 'string' },
  string: { type: 'string' },
  integer: { type: 'integer', format: 'int32' },
  long: { type: 'integer', format: 'int64' },
  boolean: { type: 'boolean' },
  date: { type: 'string' },
  list: { type: 'string' },
  map: { type: 'string' },
} as const satisfies Readonly<Record<Param<unknown>['type'], Schema>>

function paramSchema({ type, description, length, secret }: Param<unknown>): Schema {
  const sized = ['string', 'list'].includes(type) ? { maxLength: length } : {}
  return { ...PARAM_TYPES[type], description, ...sized, ...(secret === true ? { writeOnly: true } : {}) }
}

function responseSchema(command: Command): Schema {
  const envelope = envelopeOf(command)
  const content = command.kind === 'sync' ? contentSchema(command.response) : JOB[command.kind]
  return { type: 'object', required: [envelope], additionalProperties: false, properties: { [envelope]: content } }
}

const JOB = {
  async: { type: 'object', required: ['jobid'], properties: { jobid: { type: 'string' } } },
  'async-create': {
    type: 'object',
    required: ['id', 'jobid'],
    properties: { id: { type: 'string' }, jobid: { type: 'string' } },
  },
} as const

function contentSchema({ key, shape, list, listShaped, flat }: Response): Schema {
  const object = shapeSchema(shape)
  if (key === 'success' || flat === true) return object
  // An empty list has neither a count nor the list.
  if (list === true || listShaped === true || key === 'api')
    return {
      type: 'object',
      properties: { count: { type: 'integer' }, [key]: { type: 'array', items: object } },
      additionalProperties: false,
    }
  return { type: 'object', required: [key], properties: { [key]: object }, additionalProperties: false }
}

function shapeSchema(shape: Shape): Schema {
  const properties = Object.fromEntries(Object.entries(shape).map(([name, of]) => [name, fieldSchema(of)]))
  return { type: 'object', properties, additionalProperties: false }
}

const SCALARS: Readonly<Partial<Record<Field<unknown>['type'], Schema>>> = {
  integer: { type: 'integer', format: 'int32' },
  long: { type: 'integer', format: 'int64' },
  boolean: { type: 'boolean' },
  date: { type: 'string', pattern: DATE },
  map: { type: 'object' },
}

function fieldSchema({ type, description, fields }: Field<unknown>): Schema {
  const inner = fields === undefined ? { type: 'string' } : shapeSchema(fields)
  if (type === 'list') return { type: 'array', items: inner, description }
  return { ...(SCALARS[type] ?? inner), description }
}
