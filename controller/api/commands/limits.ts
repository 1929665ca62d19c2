import {
  changeLimit,
  countsShown,
  LIMITED_TYPES as TYPES,
  limitedAsked,
  type LimitedOwner,
  limitsShown,
  ownerNames,
  type ShownAmount,
} from '../../operations/limits.ts'
import { accountNamed } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { defineCommand, DOMAIN_OPERATORS, EVERYONE, type Request } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { cut } from '../paging.ts'
import { entity, integer, long, text, unsupported } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { shownPath } from './user-shape.ts'

const ownerFields = {
  account: field.string('the account of the limit; absent for one of a domain'),
  domainid: field.string('the domain ID of the limit'),
  domain: field.string('the domain name of the limit'),
  domainpath: field.string('the path of the domain of the limit'),
  resourcetype: field.string('number of the type of resource, as text'),
  resourcetypename: field.string('name of the type of resource'),
} as const
const limitShape = {
  ...ownerFields,
  max: field.long('the maximum number; -1 for no limit; storage in GiB, memory in MiB'),
} as const
const countShape = {
  ...ownerFields,
  resourcecount: field.long('how many there are; storage in GiB, memory in MiB'),
} as const

const owner = {
  account: text({ description: 'the account, by name in domainid; with domainid alone the domain itself is meant' }),
  domainid: entity('domain', { description: 'the domain' }),
}

const list = defineCommand({
  name: 'listResourceLimits',
  kind: 'sync',
  description: "Lists the limits of an account or of a domain: the caller's own account if none is named.",
  roles: EVERYONE,
  params: {
    ...owner,
    resourcetype: integer({ description: `type of resource: ${TYPES}` }),
    resourcetypename: text({ description: 'type of resource, by name' }),
    id: unsupported({ description: 'refused: limits have no ids' }),
    listall: ownershipParams.listall,
    isrecursive: ownershipParams.isrecursive,
    keyword,
  },
  response: { key: 'resourcelimit', shape: limitShape, list: true },
  async run(request) {
    const { params, page } = request
    const whose = await ownerAsked(request)
    const all = await limitsShown(request, whose, kindsOf(params))
    const names = await renderedOwner(request, whose)
    const found = cut(all, page)
    return { count: all.length, list: found.map((one) => ({ ...names, ...typeOf(one), max: one.amount })) }
  },
})

const update = defineCommand({
  name: 'updateResourceLimit',
  kind: 'sync',
  description: 'Sets how much an account, or a domain with all below it, may have.',
  roles: DOMAIN_OPERATORS,
  params: {
    ...owner,
    max: long({ description: 'maximum; -1 for no limit; storage in GiB, memory in MiB' }),
    resourcetype: integer({ required: true, description: `type of resource: ${TYPES}` }),
    projectid: unsupported({ description: 'refused: there are no projects', harmless: ['-1'] }),
    tag: unsupported({ description: 'refused: limits know no tags' }),
  },
  response: { key: 'resourcelimit', shape: limitShape },
  async run(request) {
    const { params } = request
    const kinds = kindsOf(params)
    const whose = await ownerAsked(request)
    for (const kind of kinds) await changeLimit(request, whose, { kind, max: params.max ?? -1 })
    const [limit] = await limitsShown(request, whose, kinds)
    const names = await renderedOwner(request, whose)
    return { object: limit === undefined ? names : { ...names, ...typeOf(limit), max: limit.amount } }
  },
})

const count = defineCommand({
  name: 'updateResourceCount',
  kind: 'sync',
  description: 'Tells how much an account or a domain has; it is counted anew each time.',
  roles: DOMAIN_OPERATORS,
  params: {
    account: owner.account,
    domainid: entity('domain', { required: true, description: 'the domain' }),
    resourcetype: integer({ description: `type of resource: ${TYPES}` }),
    projectid: unsupported({ description: 'refused: there are no projects', harmless: ['-1'] }),
    tag: unsupported({ description: 'refused: limits know no tags' }),
  },
  response: { key: 'resourcecount', shape: countShape, list: true },
  async run(request) {
    const whose = await ownerAsked(request)
    const counts = await countsShown(request, whose, kindsOf(request.params))
    const names = await renderedOwner(request, whose)
    const rows = counts.map((one) => ({ ...names, ...typeOf(one), resourcecount: one.amount }))
    return { count: rows.length, list: cut(rows, request.page) }
  },
})

function kindsOf(params: { readonly resourcetype?: number; readonly resourcetypename?: string }) {
  return limitedAsked(given({ type: params.resourcetype, name: params.resourcetypename }))
}

async function ownerAsked(
  request: Request<{ readonly account?: string; readonly domainid?: string }>,
): Promise<LimitedOwner> {
  const { account, domainid } = request.params
  const { caller } = request
  if (account !== undefined) {
    return { kind: 'account', id: await accountNamed(request, { account, domain: domainid }) }
  }
  if (domainid === undefined) return { kind: 'account', id: caller.accountId }
  if (caller.role === 'user') throw refuse('DENIED', 'Caller does not have permission to see the limits of a domain')
  return { kind: 'domain', id: domainid }
}

async function renderedOwner(request: Request<unknown>, whose: LimitedOwner): Promise<Rendered<typeof ownerFields>> {
  const names = await ownerNames(request, whose)
  if (names === undefined) return {}
  return {
    account: names.accountName,
    domainid: names.domainId,
    domain: names.domainName,
    domainpath: shownPath(names.domainPath),
  }
}

function typeOf({ type, name }: ShownAmount): Rendered<typeof ownerFields> {
  return { resourcetype: String(type), resourcetypename: name }
}

/** The commands about limits. */
export const limitCommands = [list, update, count] as const
