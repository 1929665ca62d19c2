import { createUser, deleteUser, keysOf, registerKeys } from '../../operations/accounts.ts'
import { ownerOf, ownershipOf } from '../../operations/ownership.ts'
import { listUsers } from '../../store/queries/accounts.ts'
import { defineCommand, DOMAIN_OPERATORS, EVERYONE, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { entity, integer, text } from '../params.ts'
import { field } from '../shape.ts'
import { personParams, renderUser, roleOf, userFields } from './user-shape.ts'

const user = { key: 'user', shape: userFields } as const
const keys = {
  key: 'userkeys',
  shape: {
    apikey: field.string('the api key of the registered user'),
    secretkey: field.string('the secret key of the registered user'),
  },
} as const

const create = defineCommand({
  name: 'createUser',
  kind: 'sync',
  description: 'Creates a user of an account that exists.',
  roles: DOMAIN_OPERATORS,
  params: {
    ...personParams,
    account: text({ required: true, description: 'the account of the user' }),
    domainid: entity('domain', { description: "the domain of the account; the caller's own if not given" }),
  },
  response: user,
  async run(request) {
    const { params, system } = request
    const { username, password, firstname, lastname, email } = params
    const account = await ownerOf(request, params)
    const id = await createUser(request, { username, password, firstname, lastname, email, account })
    const { items } = await listUsers(system.store.reader, { ownership: { of: 'everyone' }, id }, { offset: 0 })
    return { object: items[0] === undefined ? { id } : renderUser(items[0]) }
  },
})

const list = defineCommand({
  name: 'listUsers',
  kind: 'sync',
  description: "Lists users: of the caller's own account, or all that it may see with listall.",
  roles: EVERYONE,
  params: {
    id: entity('user', { description: 'list user by ID' }),
    username: text({ description: 'list user by the username' }),
    accounttype: integer({ description: 'list users by account type', least: 0 }),
    state: text({ description: 'list users by state of the user account' }),
    keyword,
    account: ownershipParams.account,
    domainid: ownershipParams.domainid,
    listall: ownershipParams.listall,
    isrecursive: ownershipParams.isrecursive,
  },
  response: { ...user, list: true },
  async run(request) {
    const { params, system, page } = request
    const { id, username: name, state, accounttype } = params
    const ownership = await ownershipOf(request, params, { byId: id !== undefined })
    const role = accounttype === undefined ? undefined : (roleOf(accounttype) ?? 'none')
    const filter = { ownership, ...given({ id, name, state, keyword: params.keyword, role }) }
    const { count, items } = await listUsers(system.store.reader, filter, page)
    return { count, list: items.map(renderUser) }
  },
})

const remove = defineCommand({
  name: 'deleteUser',
  kind: 'sync',
  description: 'Deletes a user; its keys and sessions end.',
  roles: DOMAIN_OPERATORS,
  params: { id: entity('user', { required: true, description: 'id of the user to be deleted' }) },
  response: SUCCESS,
  async run(request) {
    await deleteUser(request, request.params.id)
    return { success: true }
  },
})

const register = defineCommand({
  name: 'registerUserKeys',
  kind: 'sync',
  description: 'Gives a user new keys for signing; those before no longer hold.',
  roles: TENANTS,
  params: { id: entity('user', { required: true, description: 'User id' }) },
  response: keys,
  async run(request) {
    const { apiKey, secretKey } = await registerKeys(request, request.params.id)
    return { object: { apikey: apiKey, secretkey: secretKey } }
  },
})

const get = defineCommand({
  name: 'getUserKeys',
  kind: 'sync',
  description: 'Shows the keys of a user.',
  since: '4.10.0',
  roles: TENANTS,
  params: { id: entity('user', { required: true, description: 'ID of the user whose keys are required' }) },
  response: keys,
  async run(request) {
    const { apiKey, secretKey } = await keysOf(request, request.params.id)
    return { object: { apikey: apiKey, secretkey: secretKey } }
  },
})

/** The commands about users and their keys. */
export const userCommands = [create, list, remove, register, get] as const
