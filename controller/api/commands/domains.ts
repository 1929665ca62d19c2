import { createDomain } from '../../operations/accounts.ts'
import { type DomainView, listDomains } from '../../store/queries/accounts.ts'
import { defineCommand, DOMAIN_OPERATORS, EVERYONE, type Request } from '../command.ts'
import { isAdmin } from '../dispatch.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { entity, integer, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { shownPath } from './user-shape.ts'

const shape = {
  id: field.string('the ID of the domain'),
  name: field.string('the name of the domain'),
  level: field.integer('the level of the domain: 0 for the root'),
  parentdomainid: field.string('the domain ID of the parent domain'),
  parentdomainname: field.string('the domain name of the parent domain'),
  haschild: field.boolean('whether the domain has one or more sub-domains'),
  path: field.string('the path of the domain, as ROOT/a/b'),
  state: field.string('the state of the domain'),
  created: field.date('the date when this domain was created'),
} as const
/** What is answered of a domain. */
export const domainResponse = { key: 'domain', shape } as const

const create = defineCommand({
  name: 'createDomain',
  kind: 'sync',
  description: 'Creates a domain.',
  roles: DOMAIN_OPERATORS,
  params: {
    name: text({ required: true, description: 'creates domain with this name' }),
    parentdomainid: entity('domain', { description: "the parent domain; the caller's own if not given" }),
  },
  response: domainResponse,
  async run(request) {
    const { params, caller, system } = request
    const id = await createDomain(request, { name: params.name, parent: params.parentdomainid ?? caller.domainId })
    return { object: (await renderDomain(system, id)) ?? { id } }
  },
})

const list = defineCommand({
  name: 'listDomains',
  kind: 'sync',
  description: 'Lists domains that the caller may see.',
  roles: EVERYONE,
  params: {
    id: entity('domain', { description: 'List domain by domain ID' }),
    name: text({ description: 'List domain by domain name' }),
    level: integer({ description: 'List domains by domain level', least: 0 }),
    keyword,
    listall: ownershipParams.listall,
  },
  response: { ...domainResponse, list: true },
  async run({ params, caller, system, page }) {
    const { id, name, level } = params
    // A user has no business with other domains, not even those below its own.
    const own = caller.role === 'user' ? caller.domainId : id
    const filter = given({ id: own, name, keyword: params.keyword, level })
    const within = isAdmin(caller) ? '/' : caller.domainPath
    const { count, items } = await listDomains(system.store.reader, { within, ...filter }, page)
    return { count, list: items.map(rendered) }
  },
})

/** A domain as it is answered; `undefined` when it is gone. */
export async function renderDomain(
  { store }: Request<unknown>['system'],
  id: string,
): Promise<Rendered<typeof shape> | undefined> {
  const { items } = await listDomains(store.reader, { within: '/', id }, { offset: 0 })
  return items[0] && rendered(items[0])
}

function rendered(view: DomainView): Rendered<typeof shape> {
  return {
    id: view.id,
    name: view.name,
    level: view.path.split('/').length - 2,
    parentdomainid: view.parentId,
    parentdomainname: view.parentName,
    haschild: view.parted,
    path: shownPath(view.path),
    state: 'Active',
    created: view.createdAt,
  }
}

/** The commands about domains. */
export const domainCommands = [create, list] as const
