import { type HypervisorAdapter, PluginError } from '@moorage/contract'

/**
 * The adapter of a host that was given up. What takes something from it is done: whatever still runs there has lost its
 * access at the arrays, or loses it before anybody else gets any. What gives it something is refused at once, with effect
 * `none`. What it says of itself is asked of the host.
 */
export function givenUp(adapter: HypervisorAdapter): HypervisorAdapter {
  const { resize, throttle, stats, quiesce, migration, reach, mirror } = adapter
  return {
    accepts: adapter.accepts,
    limits: adapter.limits,
    hosts: adapter.hosts,
    inventory: adapter.inventory,
    vms: { start: refuse, get: async () => undefined, stop: async () => {}, reboot: refuse },
    disks: { attach: refuse, detach: async () => {} },
    ...(resize && { resize: { refresh: refuse } }),
    ...(throttle && { throttle: { apply: refuse, read: refuse } }),
    ...(stats && { stats: { read: refuse } }),
    ...(quiesce && { quiesce: { freeze: refuse, thaw: async () => ({ held: false, frozenMs: 0 }) } }),
    ...(migration && {
      migration: {
        describe: refuse,
        prepare: refuse,
        send: refuse,
        arrive: refuse,
        abandon: async () => ({ arrived: false }),
        resume: refuse,
      },
    }),
    // What its guest wrote last nobody knows: who asks about a switch looks at the host's state before it believes this.
    ...(mirror && { mirror: { copy: refuse, switch: refuse, abandon: async () => ({ switched: false }) } }),
    ...(reach && { reach: { prepare: refuse } }),
  }
}

async function refuse(): Promise<never> {
  throw new PluginError('NOT_FOUND', 'the host was lost and given up', 'none')
}
