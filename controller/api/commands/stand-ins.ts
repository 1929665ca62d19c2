import { type AskedOwnership, ownershipOf, ownerOf } from '../../operations/ownership.ts'
import {
  addressOf,
  NOBODY_OWNS,
  numberBehind,
  recordStandIn,
  removeStandIn,
  standInByName,
  type StandInRequest,
  submitStandIn,
  submitStandInRemoval,
} from '../../operations/stand-ins.ts'
import { listStandIns, standInView, type StandInView } from '../../store/queries/stand-ins.ts'
import {
  type Command,
  defineCommand,
  EVERYONE,
  OPERATORS,
  type Params,
  type Request,
  SUCCESS,
  TENANTS,
} from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownerParams, ownershipParams } from '../ownership.ts'
import { entity, type Param, text } from '../params.ts'
import { field, type Rendered, type Shape } from '../shape.ts'
import { STAND_INS, type StandInSpec } from './stand-in-table.ts'

/** Fields of everything that is recorded instead of made. */
export const standInFields = {
  recordedonly: field.boolean('true: nothing was made of it (only Moorage says so)'),
  created: field.date('when it was recorded'),
} as const

/** Whose it is, of what belongs to an account. */
export const standInOwnerFields = {
  account: field.string('the account that asked for it'),
  domainid: field.string('the ID of the domain of the account'),
  domain: field.string('the name of the domain of the account'),
} as const

/** What `standInFields` and `standInOwnerFields` tell of a record. */
export function renderStandIn(view: StandInView) {
  const owner =
    view.accountName === null ? {} : { account: view.accountName, domainid: view.domainId, domain: view.domainName }
  return { id: view.id, ...owner, recordedonly: true, created: view.createdAt }
}

/** Refused or ignored elsewhere, these are what was asked for by name: read by the specification that declares them. */
type Asked = Readonly<Record<string, unknown>>

function ofNobody({ kind }: StandInSpec): boolean {
  return NOBODY_OWNS.has(kind)
}

function fieldOf(name: string, param: Param<unknown>, spec: StandInSpec): Shape[string] {
  if (param.type === 'boolean') return field.boolean(param.description)
  if (param.type === 'integer' && spec.asText?.includes(name) !== true) return field.integer(param.description)
  return field.string(param.description)
}

function shapeOf(spec: StandInSpec): Shape {
  const params = Object.entries(spec.params).map(([name, param]) => [name, fieldOf(name, param, spec)] as const)
  const fixed = Object.entries(spec.fixed).map(([name, { field: one }]) => [name, one] as const)
  return {
    id: field.string(`the ID of the ${spec.what}`),
    ...Object.fromEntries(params),
    ...('zoneid' in spec.params ? { zonename: field.string('the name of the zone') } : {}),
    ...spec.found,
    ...Object.fromEntries(fixed),
    ...(ofNobody(spec) ? {} : standInOwnerFields),
    ...standInFields,
  }
}

function render(spec: StandInSpec, view: StandInView): Rendered<Shape> {
  const fixed = Object.entries(spec.fixed).map(([name, { value }]) => [name, value] as const)
  return {
    ...(view.attributes as Asked), // Written by `recorded` below.
    ...(spec.kind === 'publicipaddress' ? { ipaddress: addressOf(view) } : {}),
    ...('zoneid' in spec.params ? { zonename: view.zoneName } : {}),
    ...Object.fromEntries(fixed),
    ...renderStandIn(view),
  }
}

/** What stands for a parameter that was not given, as in CloudStack: clients read it unasked. */
const UNSAID = {
  displaytext: 'name',
  endport: 'startport',
  privateendport: 'privateport',
  publicendport: 'publicport',
} as const

/** What is kept of the parameters, in the types in which it is listed back. */
function attributesOf(spec: StandInSpec, asked: Asked): Asked {
  const kept = Object.keys(spec.params).flatMap((name) => {
    const value = asked[name]
    if (value === undefined || value === '') return []
    if (Array.isArray(value)) return [[name, value.join(',')] as const]
    return [[name, spec.asText?.includes(name) === true ? JSON.stringify(value) : value] as const]
  })
  const attributes = Object.fromEntries(kept)
  const unsaid = Object.entries(UNSAID).filter(([name, of]) => name in spec.params && of in attributes)
  return { ...Object.fromEntries(unsaid.map(([name, of]) => [name, attributes[of]])), ...attributes }
}

async function requestOf(spec: StandInSpec, { system, caller, params }: Request<Asked>): Promise<StandInRequest> {
  const owner = params as { readonly account?: string; readonly domainid?: string } // As `ownerParams` declares.
  const text = (name: string) => (typeof params[name] === 'string' ? params[name] : undefined)
  return {
    command: spec.create.name,
    kind: spec.kind,
    what: spec.what,
    name: text('name') ?? '',
    attributes: attributesOf(spec, params),
    ...given({ zone: text('zoneid'), account: ofNobody(spec) ? undefined : await ownerOf({ system, caller }, owner) }),
  }
}

function create(spec: StandInSpec): Command {
  const { name, kind, key } = spec.create
  const shape = shapeOf(spec)
  const one = async (system: Request<Asked>['system'], id: string) => {
    const view = await standInView(system.store.reader, id)
    return view === undefined ? undefined : render(spec, view)
  }
  const common = {
    name,
    description: `Records a ${spec.what} that a client asks for. Nothing is made, and nothing has an effect.`,
    roles: ofNobody(spec) ? OPERATORS : TENANTS,
    params: ofNobody(spec) ? spec.params : { ...ownerParams, ...spec.params },
    response: { key, shape },
  }
  if (kind === 'sync')
    return defineCommand<Params, Shape, 'sync'>({
      ...common,
      kind,
      async run(request) {
        const id = await recordStandIn(request, await requestOf(spec, request))
        return { object: (await one(request.system, id)) ?? {} }
      },
    })
  return defineCommand<Params, Shape, 'async-create'>({
    ...common,
    kind,
    result: ({ system, subject }) => one(system, subject),
    run: async (request) => submitStandIn(request, await requestOf(spec, request)),
  })
}

/** By which of what was recorded a list may be narrowed. */
function filtersOf(spec: StandInSpec): Params {
  const named = Object.entries(spec.params).flatMap(([name, param]) =>
    param.entity === undefined ? [] : [[name, entity(param.entity, { description: param.description })] as const],
  )
  return {
    id: entity(spec.kind, { description: `the ID of the ${spec.what}` }),
    ...('name' in spec.params ? { name: text({ description: `the name of the ${spec.what}` }), keyword } : {}),
    ...(spec.kind === 'publicipaddress'
      ? { ipaddress: text({ description: 'the address that stands in for it' }) }
      : {}),
    ...Object.fromEntries(named),
  }
}

interface Filters extends Asked {
  readonly id?: string
  readonly name?: string
  readonly keyword?: string
  readonly zoneid?: string
  readonly ipaddress?: string
}

function list(spec: StandInSpec): Command {
  const { name, key } = spec.list
  const filters = filtersOf(spec)
  return defineCommand<Params, Shape, 'sync'>({
    name,
    kind: 'sync',
    description: `Lists each ${spec.what} that was asked for: records, of which nothing was made.`,
    roles: EVERYONE,
    params: ofNobody(spec) ? filters : { ...ownershipParams, ...filters },
    response: { key, shape: shapeOf(spec), list: true },
    async run({ system, caller, params, page }) {
      const { id, name: called, keyword: part, zoneid: zone, ipaddress, ...named } = params as Filters // As `filtersOf` declares.
      const whose = ofNobody(spec) ? { listall: true } : (params as AskedOwnership) // As `ownershipParams` declares.
      const ownership = await ownershipOf({ system, caller }, whose, { byId: id !== undefined })
      const attributes = Object.fromEntries(Object.entries(named).filter(([one]) => one in spec.params))
      const number = ipaddress === undefined ? undefined : numberBehind(ipaddress)
      const narrowed = given({ id, name: called || undefined, keyword: part, zone, number })
      const filter = { kind: spec.kind, ownership, attributes, ...narrowed }
      const { items, count } = await listStandIns(system.store.reader, filter, page)
      return { list: items.map((view) => render(spec, view)), count }
    },
  })
}

function remove(spec: StandInSpec): Command {
  const { name, kind, byName } = spec.remove
  const of = { command: name, kind: spec.kind, what: spec.what } as const
  const common = {
    name,
    description: `Forgets the record of a ${spec.what}.`,
    roles: ofNobody(spec) ? OPERATORS : TENANTS,
    response: SUCCESS,
  } as const
  const id = entity(spec.kind, { required: true, description: `the ID of the ${spec.what}` })
  const forget = async (request: Request<unknown>, which: string) => {
    await removeStandIn(request, { ...of, id: which })
    return { success: true, displaytext: 'The record is forgotten: nothing had been made of it' }
  }
  if (byName === true)
    return defineCommand({
      ...common,
      kind: 'sync',
      params: {
        ...ownerParams,
        id: entity(spec.kind, { description: `the ID of the ${spec.what}; or give its name` }),
        name: text({ description: `the name of the ${spec.what}` }),
      },
      async run(request) {
        const { id: which, name: called = '' } = request.params
        if (which !== undefined) return await forget(request, which)
        const account = await ownerOf(request, request.params)
        return await forget(request, await standInByName(request, { ...of, account, name: called }))
      },
    })
  if (kind === 'sync')
    return defineCommand({
      ...common,
      kind,
      params: { id },
      run: async (request) => await forget(request, request.params.id),
    })
  return defineCommand({
    ...common,
    kind,
    params: { id },
    run: async (request) => ({ operation: await submitStandInRemoval(request, { ...of, id: request.params.id }) }),
  })
}

/** The commands about what is recorded instead of made. */
export const standInCommands: readonly Command[] = STAND_INS.flatMap((spec) => [create(spec), list(spec), remove(spec)])
