import {
  changeAccountState,
  changeUser,
  changeUserState,
  deleteDomain,
  disableAccount,
  disableUser,
  nameAccount,
  nameDomain,
} from '../../operations/account-change.ts'
import { accountNamed } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { findUserByKey, listUsers } from '../../store/queries/accounts.ts'
import {
  defineCommand,
  DOMAIN_OPERATORS,
  type Finished,
  OPERATORS,
  type Request,
  SUCCESS,
  TENANTS,
} from '../command.ts'
import { given } from '../given.ts'
import { entity, flag, text, unsupported } from '../params.ts'
import type { Rendered } from '../shape.ts'
import { accountResponse, renderAccount } from './accounts.ts'
import { domainResponse, renderDomain } from './domains.ts'
import { renderUser, userFields } from './user-shape.ts'

const user = { key: 'user', shape: userFields } as const

/** An account, by id or by name in a domain, as CloudStack lets both be given. */
const whichAccount = {
  id: entity('account', { description: 'Account id' }),
  account: text({ description: 'name of the account, instead of its id' }),
  domainid: entity('domain', { description: "the domain of the account; the caller's own if not given" }),
}

async function accountAsked(
  request: Request<{ readonly id?: string; readonly account?: string; readonly domainid?: string }>,
): Promise<string> {
  const { id, account, domainid: domain } = request.params
  if (id !== undefined) return id
  if (account === undefined) throw refuse('INVALID', 'Invalid parameter id: it, or account, must be given')
  return await accountNamed(request, { account, domain })
}

const disable = defineCommand({
  name: 'disableAccount',
  kind: 'async',
  description: 'Disables an account and stops its virtual machines, or only locks it.',
  roles: DOMAIN_OPERATORS,
  params: {
    ...whichAccount,
    lock: flag({
      required: true,
      description: 'true: what the account has goes on as it is; false: its virtual machines are stopped',
    }),
  },
  response: accountResponse,
  async run(request) {
    const id = await accountAsked(request)
    return { operation: await disableAccount(request, { id, lock: request.params.lock }) }
  },
  result: ({ system, subject }: Finished) => renderAccount(system, subject),
})

const accountStates = (['enabled', 'locked'] as const).map((state) =>
  defineCommand({
    name: state === 'enabled' ? 'enableAccount' : 'lockAccount',
    kind: 'sync',
    description:
      state === 'enabled'
        ? 'Enables an account again.'
        : 'Locks an account: its users can do nothing, what it has goes on.',
    roles: DOMAIN_OPERATORS,
    params: whichAccount,
    response: accountResponse,
    async run(request) {
      const id = await accountAsked(request)
      await changeAccountState(request, id, state)
      return { object: (await renderAccount(request.system, id)) ?? { id } }
    },
  }),
)

const updateAccount = defineCommand({
  name: 'updateAccount',
  kind: 'sync',
  description: 'Names an account anew.',
  roles: DOMAIN_OPERATORS,
  params: {
    ...whichAccount,
    newname: text({ description: 'new name for the account' }),
    roleid: unsupported({ description: 'refused: the role of an account is fixed' }),
    networkdomain: unsupported({ description: 'refused: there are no networks' }),
  },
  response: accountResponse,
  async run(request) {
    const id = await accountAsked(request)
    const { newname } = request.params
    if (newname !== undefined) await nameAccount(request, id, newname)
    return { object: (await renderAccount(request.system, id)) ?? { id } }
  },
})

const disableOne = defineCommand({
  name: 'disableUser',
  kind: 'async',
  description: 'Disables a user: its keys and sessions no longer hold.',
  roles: DOMAIN_OPERATORS,
  params: { id: entity('user', { required: true, description: 'Disables user by user ID.' }) },
  response: user,
  run: async (request) => ({ operation: await disableUser(request, request.params.id) }),
  result: ({ system, subject }: Finished) => oneUser(system, subject),
})

const userStates = (['enabled', 'locked'] as const).map((state) =>
  defineCommand({
    name: state === 'enabled' ? 'enableUser' : 'lockUser',
    kind: 'sync',
    description: state === 'enabled' ? 'Enables a user again.' : 'Locks a user: its keys and sessions no longer hold.',
    roles: DOMAIN_OPERATORS,
    params: { id: entity('user', { required: true, description: 'the user, by its ID' }) },
    response: user,
    async run(request) {
      const { id } = request.params
      await changeUserState(request, id, state)
      return { object: (await oneUser(request.system, id)) ?? { id } }
    },
  }),
)

const updateUser = defineCommand({
  name: 'updateUser',
  kind: 'sync',
  description: 'Changes a user; with a new password its sessions end.',
  roles: TENANTS,
  params: {
    id: entity('user', { required: true, description: 'User uuid' }),
    username: text({ description: 'unique username in its domain' }),
    firstname: text({ description: 'first name' }),
    lastname: text({ description: 'last name' }),
    email: text({ description: 'email' }),
    password: text({ secret: true, description: 'new password in clear text, at least 8 characters' }),
    currentpassword: text({ secret: true, description: 'current password: needed to change the own one' }),
    userapikey: unsupported({ description: 'refused: registerUserKeys makes keys' }),
    usersecretkey: unsupported({ description: 'refused: registerUserKeys makes keys' }),
    timezone: unsupported({ description: 'refused: times are shown in UTC' }),
  },
  response: user,
  async run(request) {
    const { id, username, firstname, lastname, email, password, currentpassword: currentPassword } = request.params
    await changeUser(request, { id, ...given({ username, firstname, lastname, email, password, currentPassword }) })
    return { object: (await oneUser(request.system, id)) ?? { id } }
  },
})

const getUser = defineCommand({
  name: 'getUser',
  kind: 'sync',
  description: 'Finds the user of an API key.',
  roles: OPERATORS,
  params: { userapikey: text({ required: true, description: 'API key of the user' }) },
  response: user,
  async run({ system, params }) {
    const id = await findUserByKey(system.store.reader, params.userapikey)
    const found = id === undefined ? undefined : await oneUser(system, id)
    if (found === undefined) throw refuse('INVALID', 'Invalid parameter userapikey: no user has this key')
    return { object: found }
  },
})

const updateDomain = defineCommand({
  name: 'updateDomain',
  kind: 'sync',
  description: 'Names a domain anew; the paths of those below it follow.',
  roles: DOMAIN_OPERATORS,
  params: {
    id: entity('domain', { required: true, description: 'ID of domain to update' }),
    name: text({ description: 'updates domain with this name' }),
    networkdomain: unsupported({ description: 'refused: there are no networks' }),
  },
  response: domainResponse,
  async run(request) {
    const { id, name } = request.params
    if (name !== undefined) await nameDomain(request, id, name)
    return { object: (await renderDomain(request.system, id)) ?? { id } }
  },
})

const removeDomain = defineCommand({
  name: 'deleteDomain',
  kind: 'async',
  description: 'Deletes a domain with nothing in it.',
  roles: DOMAIN_OPERATORS,
  params: {
    id: entity('domain', { required: true, description: 'ID of domain to delete' }),
    cleanup: unsupported({ description: 'true is refused: what is in it is deleted first', harmless: ['false'] }),
  },
  response: SUCCESS,
  run: async (request) => ({ operation: await deleteDomain(request, request.params.id) }),
})

async function oneUser(system: Finished['system'], id: string): Promise<Rendered<typeof userFields> | undefined> {
  const { items } = await listUsers(system.store.reader, { ownership: { of: 'everyone' }, id }, { offset: 0 })
  return items[0] && renderUser(items[0])
}

/** The commands that change accounts, users and domains that exist. */
export const identityStateCommands = [
  updateAccount,
  disable,
  ...accountStates,
  updateUser,
  disableOne,
  ...userStates,
  getUser,
  updateDomain,
  removeDomain,
] as const
