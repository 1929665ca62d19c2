import type { Role } from '../../operations/context.ts'
import type { UserView } from '../../store/queries/accounts.ts'
import { text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

/** Roles by CloudStack's numbers of account types, and their names there. */
export const ACCOUNT_TYPES = {
  user: { type: 0, name: 'User' },
  admin: { type: 1, name: 'Admin' },
  'domain-admin': { type: 2, name: 'DomainAdmin' },
  'read-only-admin': { type: 4, name: 'ReadOnlyAdmin' },
} as const satisfies Readonly<Record<Role, { readonly type: number; readonly name: string }>>

/** Ids of the roles, which are fixed as the roles are: clients keep them. */
export const ROLE_IDS = {
  admin: '0c0ffee0-0000-5000-8000-000000000001',
  'domain-admin': '0c0ffee0-0000-5000-8000-000000000002',
  user: '0c0ffee0-0000-5000-8000-000000000003',
  'read-only-admin': '0c0ffee0-0000-5000-8000-000000000004',
} as const satisfies Readonly<Record<Role, string>>

/** The role of an account type; `undefined` for numbers that mean nothing here. */
export function roleOf(type: number): Role | undefined {
  return ROLE_BY_TYPE.get(type)
}

const ROLE_BY_TYPE: ReadonlyMap<number, Role> = new Map([
  [0, 'user'],
  [1, 'admin'],
  [2, 'domain-admin'],
  [4, 'read-only-admin'],
])

/** The path of a domain as CloudStack shows it: `ROOT`, `ROOT/a/b`. */
export function shownPath(path: string): string {
  return `ROOT${path.slice(0, -1)}`
}

/** A user, also inside its account. */
export const userFields = {
  id: field.string('the user ID'),
  username: field.string('the user name'),
  firstname: field.string('the user firstname'),
  lastname: field.string('the user lastname'),
  email: field.string('the user email address'),
  state: field.string('the user state'),
  created: field.date('the date and time the user account was created'),
  account: field.string('the account name of the user'),
  accountid: field.string('the account ID of the user'),
  accounttype: field.integer('the account type of the user: 0 user, 1 admin, 2 domain admin, 4 read-only admin'),
  roletype: field.string('the type of the role: Admin, DomainAdmin, ReadOnlyAdmin or User'),
  rolename: field.string('the name of the role'),
  domainid: field.string('the domain ID of the user'),
  domain: field.string('the domain name of the user'),
  apikey: field.string('the api key of the user'),
  is2faenabled: field.boolean('false: there is no second factor'),
} as const

/** A user as it is answered. */
export function renderUser(view: UserView): Rendered<typeof userFields> {
  const { name, type } = ACCOUNT_TYPES[view.role]
  return {
    id: view.id,
    username: view.username,
    firstname: view.firstname,
    lastname: view.lastname,
    email: view.email,
    state: view.state,
    created: view.createdAt,
    account: view.accountName,
    accountid: view.accountId,
    accounttype: type,
    roletype: name,
    rolename: name,
    domainid: view.domainId,
    domain: view.domainName,
    apikey: view.apiKey,
    is2faenabled: false,
  }
}

/** What is asked of a person who may log in. */
export const personParams = {
  username: text({ required: true, description: 'unique username in its domain' }),
  password: text({ required: true, secret: true, description: 'clear text password, at least 8 characters' }),
  firstname: text({ required: true, description: 'firstname' }),
  lastname: text({ required: true, description: 'lastname' }),
  email: text({ required: true, description: 'email' }),
} as const
