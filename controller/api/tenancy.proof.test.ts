import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NOBODYS, STAND_IN_KINDS } from '../domain/stand-in.ts'
import type { Role } from '../operations/context.ts'
import type { EntityKind } from '../store/queries/entities.ts'
import { makeGround, startController, type TestController } from '../testing.ts'
import { type Answered, type Asked, type TestClient, textOf } from '../testing-client.ts'
import { isAudited } from './audited.ts'
import type { Command } from './command.ts'
import { STAND_INS } from './commands/stand-in-table.ts'
import { COMMANDS } from './registry.ts'
import { entitiesOf, type Known, neededBy } from './testing.ts'

/** Kinds of things that belong to somebody: of each the victim has one. */
const OWNED = [
  'account',
  'user',
  'volume',
  'snapshot',
  'snapshotpolicy',
  'vm',
  'template',
  'operation',
  'event',
  ...STAND_IN_KINDS.filter((kind) => !NOBODYS.some((nobodys) => nobodys === kind)),
] as const satisfies readonly EntityKind[]

interface Tenant {
  readonly role: Role
  readonly api: TestClient
  /** Of each kind one that it may name. */
  readonly known: Known
  readonly name: string
}

let controller: TestController
let victim: Tenant
let callers: Readonly<Record<(typeof CALLERS)[number], Tenant>>
/** What belongs to the victim, as the administrator sees it before anybody asks. */
let before: unknown

/** Another tenant of the same domain, one who may do everything in a domain beside it, and one who may look at all. */
const CALLERS = ['a neighbour', 'the administrator of another domain', 'a read-only administrator'] as const

beforeAll(async () => {
  controller = await startController()
  const ground = await makeGround(controller)
  const open = await controller.api.run('registerTemplate', {
    name: 'open',
    displaytext: 'for all',
    url: 'guest',
    format: 'RAW',
    hypervisor: 'Simulator',
    zoneid: ground.zone,
    ispublic: true,
  })
  const shared = { ...ground, template: textOf(open, 'id') }
  const [here, there] = [await domain('here'), await domain('there')]
  // What is nobody's is recorded by administrators, for all.
  await entitiesOf(controller, shared)
  const tenant = async (role: Role, inDomain?: string): Promise<Tenant> => {
    const api = await controller.user({ role, ...(inDomain === undefined ? {} : { domain: inDomain }) })
    const [account] = await api.list('listAccounts')
    const owner = role === 'read-only-admin' ? controller.api : api
    return {
      role,
      api,
      known: await entitiesOf(controller, shared, { api: owner }),
      name: textOf(account ?? {}, 'name'),
    }
  }
  // The template of the ground is the administrator's own.
  const tenants = await tenant('user', here)
  victim = { ...tenants, known: { ...tenants.known, template: ground.template } }
  callers = {
    'a neighbour': await tenant('user', here),
    'the administrator of another domain': await tenant('domain-admin', there),
    'a read-only administrator': await tenant('read-only-admin'),
  }
  before = await belongings()
})
afterAll(() => controller.stop())

async function domain(name: string): Promise<string> {
  return textOf(await controller.api.run('createDomain', { name }), 'id')
}

async function belongings(): Promise<unknown> {
  const ids = victim.known
  const of = { account: victim.name, domainid: ids.domain }
  const asked: readonly (readonly [string, Asked])[] = [
    ['listVolumes', of],
    ['listVirtualMachines', of],
    ['listSnapshots', of],
    ['listTags', of],
    ['listUsers', of],
    ['listAccounts', { id: ids.account }],
    ['listResourceLimits', of],
    ['listSSHKeyPairs', of],
    ...STAND_INS.map(({ list }) => [list.name, of] as const),
  ]
  return await Promise.all(asked.map(async ([command, params]) => await controller.api.list(command, params)))
}

/** What is asked about something of the victim, and how it may be answered. */
interface Probe {
  readonly of: string
  readonly params: Asked
  readonly answered: 'refused' | 'refused or nothing' | 'without a trace'
}

/** Parameters that are lists of ids of several kinds. */
const IDS_OF_ANY_KIND = new Set(['resourceids', 'resourceid'])

function probesOf(command: Command, caller: Tenant): readonly Probe[] {
  const needed = neededBy(command, caller.known)
  const isList = command.response.list === true
  const named = Object.entries(command.params).flatMap(([name, { entity }]): readonly Probe[] => {
    const kinds = IDS_OF_ANY_KIND.has(name)
      ? (['volume', 'vm', 'snapshot'] as const)
      : OWNED.filter((kind) => kind === entity)
    return kinds.map((kind) => {
      const params = { ...needed, [name]: victim.known[kind], ...(IDS_OF_ANY_KIND.has(name) ? TAGGED[kind] : {}) }
      // A list takes a resource of whatever kind, also of one that is long gone.
      const answered = IDS_OF_ANY_KIND.has(name) && isList ? 'refused or nothing' : 'refused'
      return { of: `${name} of a ${kind}`, params, answered }
    })
  })
  const { params } = command
  const strangerOf = caller.role === 'domain-admin'
  const domains = Object.entries(params).flatMap(([name, { entity }]): readonly Probe[] =>
    entity === 'domain' && strangerOf
      ? [{ of: `${name} of another domain`, params: { ...needed, [name]: victim.known.domain }, answered: 'refused' }]
      : [],
  )
  const whose: Asked = { account: victim.name, ...(strangerOf ? {} : { domainid: victim.known.domain }) }
  const accounts: readonly Probe[] =
    'account' in params && 'domainid' in params
      ? [
          {
            of: 'the account by its name',
            params: { ...needed, ...whose },
            // Offerings are nobody's: their lists take an account, as CloudStack's do, and show the same.
            answered: isList ? 'without a trace' : 'refused',
          },
        ]
      : []
  const changesItsOwn = Object.values(params).some(({ needed: isNeeded, entity }) => isNeeded && entity !== undefined)
  const all: Asked = 'listall' in params ? { listall: true } : {}
  const open: readonly Probe[] =
    isList || !changesItsOwn
      ? [{ of: 'nothing in particular', params: { ...needed, ...all }, answered: 'without a trace' }]
      : []
  return [...named, ...domains, ...accounts, ...open]
}

const TAGGED: Readonly<Partial<Record<EntityKind, Asked>>> = {
  volume: { resourcetype: 'Volume' },
  vm: { resourcetype: 'UserVm' },
  snapshot: { resourcetype: 'Snapshot' },
}

/** Commands of which no probe asks anything, by caller: each would be one that nobody has looked at. */
const UNCOVERED: readonly string[] = []

const ofTenants = CALLERS.filter((who) => who !== 'a read-only administrator')
const cells = ofTenants.flatMap((who) => COMMANDS.map((command) => [command.name, who, command] as const))

describe.each(cells)('%s by %s', (name, who, command) => {
  test("neither shows nor changes what is another tenant's", async () => {
    const caller = callers[who]
    if (!command.roles.includes(caller.role)) {
      const { status } = await caller.api.send(name, neededBy(command, victim.known))
      expect(status).toBe(432)
      return
    }
    for (const { of, params, answered } of probesOf(command, caller)) {
      const { status, answer } = await caller.api.send(name, params)
      expect({ of, traces: tracesIn(answer, params) }).toEqual({ of, traces: [] })
      if (answered === 'without a trace' || (answered === 'refused or nothing' && Object.keys(answer).length === 0))
        continue
      expect([431, 531], `${of}: ${status} ${JSON.stringify(answer)}`).toContain(status)
    }
  })
})

/** Ids of the victim's in an answer, but for those that were asked for. */
function tracesIn(answer: Answered, params: Asked): readonly string[] {
  const text = JSON.stringify(answer)
  const asked = new Set(Object.values(params))
  return OWNED.filter((kind) => text.includes(victim.known[kind]) && !asked.has(victim.known[kind]))
}

test('no command is left unasked', () => {
  const unasked = cells.filter(
    ([, who, command]) => command.roles.includes(callers[who].role) && probesOf(command, callers[who]).length === 0,
  )
  expect(unasked.map(([name, who]) => `${name} by ${who}`)).toEqual(UNCOVERED)
})

describe.each(COMMANDS.map((command) => [command.name, command] as const))(
  '%s by a read-only administrator',
  (name, command) => {
    test('is a command that reads, or unknown', async () => {
      const { api, role } = callers['a read-only administrator']
      if (command.roles.includes(role)) {
        expect(READS_TOO.has(name) || command.open === true || !isAudited(command)).toBe(true)
        return
      }
      expect((await api.send(name, neededBy(command, victim.known))).status).toBe(432)
    })
  },
)

/** Commands whose names do not say that they only read. */
const READS_TOO: ReadonlySet<string> = new Set([
  'findHostsForMigration',
  'findStoragePoolsForMigration',
  'planVolumePlacement',
  'quotaIsEnabled',
  'cloudianIsEnabled',
])

test("the victim's things are as they were", async () => {
  expect(await belongings()).toEqual(before)
})
