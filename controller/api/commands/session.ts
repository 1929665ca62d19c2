import { logIn, logOut } from '../../operations/authentication.ts'
import { defineCommand, EVERYONE } from '../command.ts'
import { text } from '../params.ts'
import { field } from '../shape.ts'
import { ACCOUNT_TYPES } from './user-shape.ts'

const login = defineCommand({
  name: 'login',
  kind: 'sync',
  description: 'Logs a user in: sets the session cookies and answers the session key.',
  open: true,
  post: true,
  roles: EVERYONE,
  params: {
    username: text({ required: true, description: 'Username' }),
    password: text({ required: true, secret: true, description: 'Password in clear text' }),
    domain: text({ description: 'Path of the domain that the user belongs to, as /a/b; the root if not given' }),
  },
  response: {
    key: 'login',
    flat: true,
    shape: {
      username: field.string('Username'),
      userid: field.string('User ID'),
      domainid: field.string('Domain ID that the user belongs to'),
      timeout: field.integer('seconds of idleness after which the session ends'),
      account: field.string('the account name the user belongs to'),
      firstname: field.string('first name of the user'),
      lastname: field.string('last name of the user'),
      type: field.string('the account type: 0 user, 1 admin, 2 domain admin, 4 read-only admin'),
      registered: field.string('is user registered: false'),
      sessionkey: field.string('session key: send it with every request'),
      is2faenabled: field.string('false: there is no second factor'),
      is2faverified: field.string('true'),
    },
  },
  async run({ system, params, source, throttle }) {
    const attempt = { username: params.username, domain: params.domain ?? '', source }
    const login = await throttle.login(attempt, () => logIn(system, params))
    const { id, key, caller, firstname, lastname, timeout } = login
    const raw = {
      username: caller.username,
      userid: caller.principalId,
      domainid: caller.domainId,
      timeout,
      account: caller.accountName,
      firstname,
      lastname,
      // Numbers and booleans as text, as CloudStack has them here.
      type: String(ACCOUNT_TYPES[caller.role].type),
      registered: 'false',
      sessionkey: key,
      is2faenabled: 'false',
      is2faverified: 'true',
    }
    return { raw, session: { id, key } }
  },
})

const logout = defineCommand({
  name: 'logout',
  kind: 'sync',
  description: 'Logs out the user; succeeds without a session, too.',
  open: true,
  roles: EVERYONE,
  params: {},
  response: { key: 'logout', flat: true, shape: { description: field.string('success') } },
  async run({ system, session }) {
    if (session !== undefined) await logOut(system, session)
    return { raw: { description: 'success' }, session: 'ended' as const }
  },
})

/** The commands about sessions. */
export const sessionCommands = [login, logout] as const
