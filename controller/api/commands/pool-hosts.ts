import { listReach } from '../../store/queries/pool-reach.ts'
import { defineCommand, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { entity, flag } from '../params.ts'
import { field } from '../shape.ts'

const shape = {
  storageid: field.string('ID of the storage pool'),
  storage: field.string('its name'),
  hostid: field.string('ID of the host'),
  hostname: field.string('its name'),
  reached: field.boolean('whether the host gets to the pool, as it said itself'),
  reason: field.string('why it does not'),
  since: field.date('since when it has been so'),
  asked: field.date('when it was asked last'),
} as const

const list = defineCommand({
  name: 'listStoragePoolHosts',
  kind: 'sync',
  description:
    'Lists which hosts get to which storage pools of their zone or cluster. A host that has not said yet, or cannot, is not listed.',
  extension: true,
  roles: OPERATORS_READING,
  params: {
    storageid: entity('pool', { description: 'the storage pool' }),
    hostid: entity('host', { description: 'the host' }),
    reached: flag({ description: 'false: only where a host does not get there' }),
  },
  response: { key: 'storagepoolhost', shape, list: true },
  async run({ system, params: { storageid: pool, hostid: host, reached }, page }) {
    const { items, count } = await listReach(system.store.reader, given({ pool, host, reached }), page)
    const rendered = items.map((way) => ({
      storageid: way.poolId,
      storage: way.poolName,
      hostid: way.hostId,
      hostname: way.hostName,
      reached: way.reached,
      reason: way.reached ? undefined : way.why,
      since: way.since,
      asked: way.askedAt,
    }))
    return { list: rendered, count }
  },
})

/** The command about hosts and pools together. */
export const poolHostCommands = [list] as const
