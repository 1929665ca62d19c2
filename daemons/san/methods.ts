import { readFileSync } from 'node:fs'
import { type Call, PluginError } from '@moorage/contract'
import type { Method } from '@moorage/wire'
import {
  bytes,
  consumer,
  exposure,
  fields,
  type Fields,
  invalid,
  owner,
  source,
  text,
  uuid,
  volumeSpec,
} from './check.ts'
import { expose, withdraw } from './facets/access.ts'
import { changeLists } from './facets/change-list.ts'
import type { Caller, San } from './facets/context.ts'
import { listInventory } from './facets/inventory.ts'
import { removeStructure } from './facets/leftovers.ts'
import { applyQos, readAppliedQos, readStats } from './facets/qos.ts'
import { createSnapshot, deleteSnapshot, getSnapshot, revertVolume } from './facets/snapshots.ts'
import { createVolume, deleteVolume, getVolume, growVolume } from './facets/volumes.ts'
import { readQos } from './qos/limits.ts'

type Task = (args: Fields, caller: Caller) => Promise<unknown>

/** The pool that calls name, and this program's version. */
interface About {
  readonly pool: string
  readonly version: string
}

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version // Our own package.json.
}

/** Methods of the HTTP API: the facets of the contract, for one pool. Every call names the pool and its owner's mark. */
export function methods(san: San, about: About): Readonly<Record<string, Method>> {
  const tasks = { ...volumeTasks(san), ...copyTasks(san), ...serviceTasks(san, about) }
  return Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, method(san, task, about.pool)]))
}

function method(san: San, task: Task, pool: string): Method {
  return async (body: unknown, call: Call) => {
    const args = fields(body, 'body')
    const asked = text(args['pool'], 'pool')
    if (asked !== pool) throw new PluginError('NOT_FOUND', `no pool ${asked} here: it is ${pool}`, 'none')
    const caller = { owner: owner(args['owner']), call }
    return san.serving.pass(call, () => task(args, caller))
  }
}

function volumeTasks(san: San): Readonly<Record<string, Task>> {
  return {
    'volumes/create': (args, caller) => createVolume(san, volumeSpec(args['spec']), { caller }),
    'volumes/get': async (args, caller) => (await getVolume(san, uuid(args['id'], 'id'), caller)) ?? null,
    'volumes/delete': (args, caller) => deleteVolume(san, uuid(args['id'], 'id'), caller),
    'clones/clone': (args, caller) =>
      createVolume(san, volumeSpec(args['spec']), { from: source(args['from'], 'from'), caller }),
    'resize/grow': (args, caller) =>
      growVolume(san, { id: uuid(args['id'], 'id'), bytes: bytes(args['bytes'], 'bytes'), caller }),
    'qos/apply': (args, caller) =>
      applyQos(san, { id: uuid(args['id'], 'id'), qos: readQos(args['qos'], 'qos'), caller }),
    'qos/read': (args, caller) => readAppliedQos(san, uuid(args['id'], 'id'), caller),
    'stats/read': async (args, caller) => readStats(san, uuid(args['id'], 'id'), caller),
  }
}

function copyTasks(san: San): Readonly<Record<string, Task>> {
  const extents = changeLists(san)
  return {
    'change-list/extents': (args, caller) => {
      const range = fields(args['range'], 'range')
      const { base, cursor } = range
      if (cursor !== undefined && typeof cursor !== 'string') throw invalid('range.cursor must be a text')
      const asked = {
        snapshot: uuid<'snapshot'>(range['snapshot'], 'range.snapshot'),
        ...(base !== undefined && { base: uuid<'snapshot'>(base, 'range.base') }),
        ...(cursor !== undefined && { cursor }),
      }
      return extents(asked, caller)
    },
    'snapshots/create': (args, caller) => {
      const spec = fields(args['spec'], 'spec')
      const ids = { id: uuid<'snapshot'>(spec['id'], 'spec.id'), volume: uuid<'volume'>(spec['volume'], 'spec.volume') }
      return createSnapshot(san, ids, caller)
    },
    'snapshots/get': async (args, caller) => (await getSnapshot(san, uuid(args['id'], 'id'), caller)) ?? null,
    'snapshots/delete': (args, caller) => deleteSnapshot(san, uuid(args['id'], 'id'), caller),
    'revert/revert': (args, caller) =>
      revertVolume(san, { volume: uuid(args['volume'], 'volume'), to: uuid(args['to'], 'to'), caller }),
  }
}

function serviceTasks(san: San, about: About): Readonly<Record<string, Task>> {
  return {
    'pools/report': async () => ({
      identity: `linux-san:${san.identity}`,
      ...(await san.files.space()),
      iops: san.iops,
      version: `moorage linux-san ${about.version}`,
      reach: { via: 'iscsi', portals: [san.portal] },
    }),
    'access/expose': (args, caller) => expose(san, exposure(args['exposure']), caller),
    'access/withdraw': (args, caller) => {
      const given = fields(args['access'], 'access')
      const access = {
        source: source(given['source'], 'access.source'),
        consumer: consumer(given['consumer'], 'access.consumer'),
      }
      return withdraw(san, access, caller)
    },
    'inventory/list': (args, caller) => {
      const cursor = args['cursor']
      if (cursor !== undefined && typeof cursor !== 'string') throw invalid('cursor must be a text')
      return listInventory(san, cursor, caller)
    },
    'inventory/remove': (args, caller) => removeStructure(san, text(args['structure'], 'structure'), caller),
  }
}
