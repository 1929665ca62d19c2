import { createAccount, deleteAccount } from '../../operations/accounts.ts'
import { type Role, ROLES } from '../../operations/context.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { type AccountView, listAccounts, listUsers } from '../../store/queries/accounts.ts'
import { defineCommand, DOMAIN_OPERATORS, EVERYONE, type Request, SUCCESS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { entity, integer, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { ACCOUNT_TYPES, personParams, renderUser, ROLE_IDS, roleOf, shownPath, userFields } from './user-shape.ts'

const shape = {
  id: field.string('the id of the account'),
  name: field.string('the name of the account'),
  accounttype: field.integer('account type: 0 user, 1 admin, 2 domain admin, 4 read-only admin'),
  roletype: field.string('the type of the role: Admin, DomainAdmin, ReadOnlyAdmin or User'),
  rolename: field.string('the name of the role'),
  domainid: field.string('id of the Domain the account belongs to'),
  domain: field.string('name of the Domain the account belongs to'),
  domainpath: field.string('path of the Domain the account belongs to'),
  state: field.string('the state of the account'),
  created: field.date('the date when this account was created'),
  vmtotal: field.long('the total number of virtual machines of this account'),
  volumetotal: field.long('the total volumes of this account'),
  snapshottotal: field.long('the total number of snapshots of this account'),
  templatetotal: field.long('the total number of templates of this account'),
  user: field.list(userFields, 'the list of users associated with account'),
} as const
/** What is answered of an account. */
export const accountResponse = { key: 'account', shape } as const

const create = defineCommand({
  name: 'createAccount',
  kind: 'sync',
  description: 'Creates an account with its first user.',
  roles: DOMAIN_OPERATORS,
  params: {
    ...personParams,
    account: text({ description: 'name of the account; the username if not given' }),
    accounttype: integer({ description: '0 user, 1 admin, 2 domain admin, 4 read-only admin', least: 0 }),
    domainid: entity('domain', { description: "the domain; the caller's own if not given" }),
    roleid: text({ description: 'the role, by an id of listRoles; with accounttype, both must mean the same' }),
  },
  response: accountResponse,
  async run(request) {
    const { params, caller } = request
    const role = roleAsked(params)
    const { username, password, firstname, lastname, email, domainid } = params
    const person = { username, password, firstname, lastname, email }
    const made = await createAccount(request, {
      ...person,
      name: params.account ?? username,
      role,
      domain: domainid ?? caller.domainId,
    })
    return { object: (await renderAccount(request.system, made.account)) ?? { id: made.account } }
  },
})

const list = defineCommand({
  name: 'listAccounts',
  kind: 'sync',
  description: "Lists accounts: the caller's own, or all that it may see with listall.",
  roles: EVERYONE,
  params: {
    id: entity('account', { description: 'list account by account ID' }),
    name: text({ description: 'list account by account name' }),
    accounttype: integer({ description: 'list accounts by account type', least: 0 }),
    state: text({ description: 'list accounts by state' }),
    keyword,
    domainid: ownershipParams.domainid,
    listall: ownershipParams.listall,
    isrecursive: ownershipParams.isrecursive,
  },
  response: { ...accountResponse, list: true },
  async run(request) {
    const { params, system, page } = request
    const { id, name, state, accounttype } = params
    const ownership = await ownershipOf(request, params, { byId: id !== undefined })
    const role = accounttype === undefined ? undefined : (roleOf(accounttype) ?? 'none')
    const filter = { ownership, ...given({ id, name, state, keyword: params.keyword, role }) }
    const { count, items } = await listAccounts(system.store.reader, filter, page)
    const users = await listUsers(system.store.reader, { ownership }, { offset: 0 })
    const usersOf = (of: AccountView) => users.items.filter(({ accountId }) => accountId === of.id).map(renderUser)
    return { count, list: items.map((view) => ({ ...rendered(view), user: usersOf(view) })) }
  },
})

const remove = defineCommand({
  name: 'deleteAccount',
  kind: 'async',
  description: 'Deletes an account that has nothing any more, with its users.',
  roles: DOMAIN_OPERATORS,
  params: { id: entity('account', { required: true, description: 'Account id' }) },
  response: SUCCESS,
  run: async (request) => ({ operation: await deleteAccount(request, request.params.id) }),
})

function roleAsked(params: { readonly accounttype?: number; readonly roleid?: string }): Role {
  const byType = params.accounttype === undefined ? undefined : roleOf(params.accounttype)
  if (params.accounttype !== undefined && byType === undefined) {
    throw refuse('INVALID', 'Invalid parameter accounttype: it must be 0, 1, 2 or 4')
  }
  const byId = ROLES.find((role) => ROLE_IDS[role] === params.roleid)
  if (params.roleid !== undefined && byId === undefined) {
    throw refuse('INVALID', 'Invalid parameter roleid: listRoles has no such role')
  }
  if (byType !== undefined && byId !== undefined && byType !== byId) {
    throw refuse('INVALID', 'Invalid parameters accounttype and roleid: they mean different roles')
  }
  const role = byId ?? byType
  if (role === undefined) throw refuse('INVALID', 'Invalid parameter accounttype: it, or roleid, must be given')
  return role
}

/** An account as it is answered, with its users; `undefined` when it is gone. */
export async function renderAccount(
  { store }: Request<unknown>['system'],
  id: string,
): Promise<Rendered<typeof shape> | undefined> {
  const { reader } = store
  const whole = { offset: 0 }
  const { items } = await listAccounts(reader, { ownership: { of: 'account', id } }, whole)
  const users = await listUsers(reader, { ownership: { of: 'account', id } }, whole)
  return items[0] && { ...rendered(items[0]), user: users.items.map(renderUser) }
}

function rendered(view: AccountView): Rendered<typeof shape> {
  const { name, type } = ACCOUNT_TYPES[view.role]
  return {
    id: view.id,
    name: view.name,
    accounttype: type,
    roletype: name,
    rolename: name,
    domainid: view.domainId,
    domain: view.domainName,
    domainpath: shownPath(view.domainPath),
    state: view.state,
    created: view.createdAt,
    vmtotal: view.vms,
    volumetotal: view.volumes,
    snapshottotal: view.snapshots,
    templatetotal: view.templates,
  }
}

/** The commands about accounts. */
export const accountCommands = [create, list, remove] as const
