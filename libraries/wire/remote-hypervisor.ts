import type { HypervisorAdapter, HypervisorCapability, HypervisorLimits, Protocol } from '@moorage/contract'
import type { RemoteCall } from './client.ts'

/** A hypervisor adapter whose facets live in a daemon. `context` travels with every call. */
export function remoteHypervisor(options: {
  readonly remote: RemoteCall
  readonly accepts: readonly Protocol[]
  readonly limits: HypervisorLimits
  readonly can: readonly HypervisorCapability[]
  readonly context: Readonly<Record<string, string>>
}): HypervisorAdapter {
  const { remote, accepts, limits, context } = options
  const send = <Result>(method: string, args: object, call: Parameters<RemoteCall>[2]) =>
    remote<Result>(method, { ...context, ...args }, call)
  const mandatory: HypervisorAdapter = {
    accepts,
    limits,
    hosts: { report: (call) => send('hosts/report', {}, call) },
    vms: {
      start: (spec, call) => send('vms/start', { spec }, call),
      get: async (id, call) => (await send<never>('vms/get', { id }, call)) ?? undefined,
      stop: (id, how, call) => send('vms/stop', { id, force: how.force }, call),
      reboot: (id, call) => send('vms/reboot', { id }, call),
    },
    disks: {
      attach: (vm, disk, call) => send('disks/attach', { vm, disk }, call),
      detach: (vm, disk, call) => send('disks/detach', { vm, disk }, call),
    },
    inventory: {
      list: (cursor, call) => send('inventory/list', cursor === undefined ? {} : { cursor }, call),
      remove: (structure, call) => send('inventory/remove', { structure }, call),
    },
  }
  const optional: Required<Pick<HypervisorAdapter, HypervisorCapability>> = {
    resize: { refresh: (vm, disk, call) => send('resize/refresh', { vm, disk }, call) },
    throttle: {
      apply: (vm, disk, call) => send('throttle/apply', { vm, disk }, call),
      read: (vm, volume, call) => send('throttle/read', { vm, volume }, call),
    },
    stats: { read: (vm, volume, call) => send('stats/read', { vm, volume }, call) },
    quiesce: {
      freeze: (vm, how, call) => send('quiesce/freeze', { vm, withinMs: how.withinMs }, call),
      thaw: (vm, call) => send('quiesce/thaw', { vm }, call),
    },
    migration: {
      describe: (vm, call) => send('migration/describe', { vm }, call),
      prepare: (spec, description, call) => send('migration/prepare', { spec, description }, call),
      send: (vm, ticket, call) => send('migration/send', { vm, ticket }, call),
      arrive: (vm, call) => send('migration/arrive', { vm }, call),
      abandon: (vm, call) => send('migration/abandon', { vm }, call),
      resume: (vm, call) => send('migration/resume', { vm }, call),
    },
    mirror: {
      copy: (vm, mirror, call) => send('mirror/copy', { vm, mirror }, call),
      switch: (vm, mirror, call) => send('mirror/switch', { vm, mirror }, call),
      abandon: (vm, mirror, call) => send('mirror/abandon', { vm, mirror }, call),
    },
    reach: { prepare: (reach, call) => send('reach/prepare', { reach }, call) },
  }
  return { ...mandatory, ...Object.fromEntries(options.can.map((name) => [name, optional[name]])) }
}
