import { ROLES } from '../../operations/context.ts'
import { listAlerts } from '../../store/queries/alerts.ts'
import { infrastructure, listManagementServers, placeTags } from '../../store/queries/installation.ts'
import { defineCommand, EVERYONE, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { choice, entity, text } from '../params.ts'
import { field } from '../shape.ts'
import { ACCOUNT_TYPES, ROLE_IDS } from './user-shape.ts'

const roles = defineCommand({
  name: 'listRoles',
  kind: 'sync',
  description: 'Lists the roles of accounts: they are fixed.',
  roles: ['admin', 'domain-admin', 'read-only-admin'],
  params: {
    id: text({ description: 'list role by role ID' }),
    name: text({ description: 'list role by role name' }),
    keyword,
    type: text({ description: 'list role by role type' }),
  },
  response: {
    key: 'role',
    list: true,
    shape: {
      id: field.string('the ID of the role'),
      name: field.string('the name of the role'),
      type: field.string('the type of the role'),
      description: field.string('what it may do'),
      isdefault: field.boolean('true: it is not made by an operator'),
      ispublic: field.boolean('true: accounts may be given it'),
    },
  },
  async run({ params, page }) {
    const all = ROLES.map((role) => ({
      id: ROLE_IDS[role],
      name: ACCOUNT_TYPES[role].name,
      type: ACCOUNT_TYPES[role].name,
      description: `The role ${role}`,
      isdefault: true,
      ispublic: true,
    })).filter(
      ({ id, name }) =>
        (params.id === undefined || params.id === id) &&
        (params.name === undefined || params.name === name) &&
        (params.type === undefined || params.type.toLowerCase() === name.toLowerCase()) &&
        (params.keyword === undefined || name.toLowerCase().includes(params.keyword.toLowerCase())),
    )
    return { count: all.length, list: cut(all, page) }
  },
})

const regions = defineCommand({
  name: 'listRegions',
  kind: 'sync',
  description: 'Lists regions: this installation is one.',
  roles: EVERYONE,
  params: { id: text({ description: 'list region by region ID' }), name: text({ description: 'list region by name' }) },
  response: {
    key: 'region',
    list: true,
    shape: {
      id: field.integer('the ID of the region'),
      name: field.string('the name of the region'),
      endpoint: field.string('the end point of the region: where this was asked'),
      portableipserviceenabled: field.boolean('false'),
    },
  },
  async run({ params, page }) {
    const local = { id: 1, name: 'Local', endpoint: '/client/', portableipserviceenabled: false }
    const found = (params.id ?? '1') === '1' && (params.name ?? 'Local') === 'Local' && page.offset === 0
    return { count: found ? 1 : 0, list: found ? [local] : [] }
  },
})

const servers = defineCommand({
  name: 'listManagementServers',
  kind: 'sync',
  description: 'Lists the controllers that run on this database.',
  since: '4.15.0',
  roles: OPERATORS_READING,
  params: { name: text({ description: 'the name of the controller' }), keyword },
  response: {
    key: 'managementserver',
    list: true,
    shape: {
      id: field.string('the id of the controller'),
      name: field.string('the name of the controller'),
      state: field.string('Up, or Down when its leases have run out'),
      serverstart: field.date('when it started'),
      lastseen: field.date('when it last renewed its leases'),
      agentcount: field.integer('0: hosts belong to no controller'),
      pendingjobscount: field.long('operations that it runs'),
    },
  },
  async run({ system, params, page }) {
    const part = params.keyword?.toLowerCase() ?? ''
    const all = (await listManagementServers(system.store.reader)).filter(
      ({ id }) => (params.name === undefined || params.name === id) && id.toLowerCase().includes(part),
    )
    const asked = cut(all, page)
    return {
      count: all.length,
      list: asked.map(({ id, alive, startedAt, seenAt, operations }) => ({
        id,
        name: id,
        state: alive ? 'Up' : 'Down',
        serverstart: startedAt,
        lastseen: seenAt,
        agentcount: 0,
        pendingjobscount: operations,
      })),
    }
  },
})

const counts = defineCommand({
  name: 'listInfrastructure',
  kind: 'sync',
  description: 'Counts what the installation is made of.',
  roles: OPERATORS_READING,
  params: {},
  response: {
    key: 'infrastructure',
    shape: {
      zones: field.integer('number of zones'),
      pods: field.integer('number of pods'),
      clusters: field.integer('number of clusters'),
      hosts: field.integer('number of hosts'),
      storagepools: field.integer('number of pools'),
      imagestores: field.integer('0: there are no image stores'),
      systemvms: field.integer('0: there are no system VMs'),
      routers: field.integer('0: there are no routers'),
      cpusockets: field.integer('0: sockets are not counted'),
      managementservers: field.integer('number of controllers'),
    },
  },
  async run({ system }) {
    const { reader } = system.store
    const [found, nodes] = await Promise.all([infrastructure(reader), listManagementServers(reader)])
    const none = { imagestores: 0, systemvms: 0, routers: 0, cpusockets: 0 }
    return { object: { ...found, ...none, managementservers: nodes.filter(({ alive }) => alive).length } }
  },
})

const tagLists = (['host', 'pool'] as const).map((kind) =>
  defineCommand({
    name: kind === 'host' ? 'listHostTags' : 'listStorageTags',
    kind: 'sync',
    description: `Lists the tags that ${kind}s carry.`,
    roles: OPERATORS_READING,
    params: { keyword },
    response: {
      key: kind === 'host' ? 'hosttag' : 'storagetag',
      list: true,
      shape: {
        id: field.string('the tag itself: tags have no ids'),
        name: field.string('the name of the tag'),
        // As in CloudStack no id, but a number that the API takes in its place.
        ...(kind === 'host'
          ? { hostid: field.long('internal number of the first host that carries it') }
          : { poolid: field.long('internal number of the first storage pool that carries it') }),
      },
    },
    async run({ system, params, page }) {
      const part = params.keyword?.toLowerCase() ?? ''
      const all = (await placeTags(system.store.reader, kind)).filter(({ tag }) => tag.toLowerCase().includes(part))
      const asked = cut(all, page)
      return { count: all.length, list: asked.map(({ tag, first }) => ({ id: tag, name: tag, [`${kind}id`]: first })) }
    },
  }),
)

const alerts = defineCommand({
  name: 'listAlerts',
  kind: 'sync',
  description: 'Lists what operators should look at, newest first: events of level WARN and ERROR.',
  roles: OPERATORS_READING,
  params: {
    id: entity('event', { description: 'the ID of the alert' }),
    name: text({ description: 'list by alert name' }),
    type: choice(['WARN', 'ERROR'], { description: 'list by level' }),
    keyword,
  },
  response: {
    key: 'alert',
    list: true,
    shape: {
      id: field.string('the id of the alert'),
      type: field.integer('-1: alerts are not numbered by kind'),
      name: field.string('the name of the alert: the type of its event'),
      description: field.string('description of the alert'),
      sent: field.date('the date and time the alert was sent'),
    },
  },
  async run({ system, params, page }) {
    const { id, name, type: level, keyword: part } = params
    const { count, items } = await listAlerts(
      system.store.reader,
      given({ id, type: name, level, keyword: part }),
      page,
    )
    return {
      count,
      list: items.map((one) => ({
        id: one.id,
        type: -1,
        name: one.type,
        description: one.description,
        sent: one.createdAt,
      })),
    }
  },
})

/** The commands about the installation as a whole. */
export const installationCommands = [roles, regions, servers, counts, ...tagLists, alerts] as const
