import type { StorageCapability, StorageLimits, StorageProvider } from '@moorage/contract'
import type { RemoteCall } from './client.ts'

/**
 * A storage provider whose facets live in a daemon. `pool` travels with every call as `pool`; `owner` is the ownership
 * mark. Arguments of the contract become a JSON object with the names below.
 */
export function remoteStorage(options: {
  readonly remote: RemoteCall
  readonly limits: StorageLimits
  readonly can: readonly StorageCapability[]
  /** Sent with every call: which pool of the array, and whose mark. */
  readonly context: Readonly<Record<string, string>>
}): StorageProvider {
  const { remote, limits, context } = options
  const send = <Result>(method: string, args: object, call: Parameters<RemoteCall>[2]) =>
    remote<Result>(method, { ...context, ...args }, call)
  const mandatory: StorageProvider = {
    limits,
    pools: { report: (call) => send('pools/report', {}, call) },
    volumes: {
      create: (spec, call) => send('volumes/create', { spec }, call),
      get: async (id, call) => (await send<never>('volumes/get', { id }, call)) ?? undefined,
      delete: (id, call) => send('volumes/delete', { id }, call),
    },
    access: {
      expose: (exposure, call) => send('access/expose', { exposure }, call),
      withdraw: (access, call) => send('access/withdraw', { access }, call),
    },
    inventory: {
      list: (cursor, call) => send('inventory/list', cursor === undefined ? {} : { cursor }, call),
      remove: (structure, call) => send('inventory/remove', { structure }, call),
    },
  }
  const optional: Required<Pick<StorageProvider, StorageCapability>> = {
    snapshots: {
      create: (spec, call) => send('snapshots/create', { spec }, call),
      get: async (id, call) => (await send<never>('snapshots/get', { id }, call)) ?? undefined,
      delete: (id, call) => send('snapshots/delete', { id }, call),
    },
    groupSnapshots: {
      maxVolumes: 64,
      prepare: (group, members, call) => send('group-snapshots/prepare', { group, members }, call),
      commit: (group, call) => send('group-snapshots/commit', { group }, call),
      abort: (group, call) => send('group-snapshots/abort', { group }, call),
    },
    clones: { clone: (from, spec, call) => send('clones/clone', { from, spec }, call) },
    resize: { grow: (id, bytes, call) => send('resize/grow', { id, bytes }, call) },
    qos: {
      apply: (id, qos, call) => send('qos/apply', { id, qos }, call),
      read: (id, call) => send('qos/read', { id }, call),
    },
    revert: { revert: (volume, to, call) => send('revert/revert', { volume, to }, call) },
    changeList: { extents: (range, call) => send('change-list/extents', { range }, call) },
    stats: { read: (id, call) => send('stats/read', { id }, call) },
  }
  return { ...mandatory, ...Object.fromEntries(options.can.map((name) => [name, optional[name]])) }
}
