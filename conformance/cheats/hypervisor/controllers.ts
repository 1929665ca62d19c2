import { type DiskSpec, type HypervisorAdapter, PluginError, type VmId } from '@moorage/contract'
import { adapter, despite, evading, everyAdapter, type HypervisorCheat, unhurried, wrong } from '../cheat.ts'

const LOST = 'a change on a host whose answer was lost is not said to have had no effect, and asking again settles it'

/** Adapters that keep in memory what belongs to the host, or are at a loss when it does not answer. */
export const controllerCheats: readonly HypervisorCheat[] = [
  everyAdapter(
    'stops only machines that it started itself',
    'a machine that one controller started another finds, is given when it asks again, and stops for both',
    (honest, at) => {
      const started = new Set<VmId>()
      return {
        vms: {
          async start(spec, call) {
            if ((await honest.vms.get(spec.id, call))?.state !== 'running') started.add(spec.id)
            return honest.vms.start(spec, call)
          },
          async stop(id, how, call) {
            if (at === 0 || started.has(id)) await honest.vms.stop(id, how, call)
          },
        },
      }
    },
  ),
  everyAdapter(
    'keeps fences in memory',
    'fences and generations that one controller has raised bind another',
    (honest, at) =>
      at === 0 ? {} : { vms: { start: (spec, call) => evading((each) => honest.vms.start(spec, each), call) } },
  ),
  everyAdapter(
    'keeps generations in memory',
    'fences and generations that one controller has raised bind another',
    (honest, at) => ({
      disks: {
        attach: (vm, disk, call) =>
          despite(
            'FENCED',
            () => honest.disks.attach(vm, disk, call),
            (error) => {
              if (at === 0) throw error
              return honest.disks.attach(vm, { ...disk, generation: disk.generation + 100 }, call)
            },
          ),
      },
    }),
  ),
  everyAdapter(
    'detaches only disks that it attached itself',
    'a disk that one controller attached another is given when it asks again, and detaches with its session',
    (honest, at) => {
      const attached = new Set<string>()
      return {
        disks: {
          async attach(vm, disk, call) {
            const there = (await honest.vms.get(vm, call))?.disks.some(({ volume }) => volume === disk.volume)
            if (there !== true) attached.add(disk.volume)
            return honest.disks.attach(vm, disk, call)
          },
          async detach(vm, disk, call) {
            if (at === 0 || attached.has(disk.volume)) await honest.disks.detach(vm, disk, call)
          },
        },
      }
    },
  ),
  everyAdapter(
    'reads back the throttle that it set itself',
    'a throttle that one controller set another reads and changes',
    (honest, at) => ({
      throttle: { read: async (vm, volume, call) => (at === 0 ? honest.throttle.read(vm, volume, call) : {}) },
    }),
  ),
  everyAdapter(
    'knows only machines that it has begun to send itself',
    'a migration that one controller began another ends',
    (honest, at) => ({
      migration: {
        async send(vm, ticket, call) {
          if (at > 0) throw wrong('CONFLICT')
          return honest.migration.send(vm, ticket, call)
        },
      },
    }),
  ),
  everyAdapter(
    'knows only freezes of its own',
    'a guest that one controller froze another thaws, and it was held',
    (honest, at) => ({
      quiesce: {
        async thaw(vm, call) {
          const answer = await honest.quiesce.thaw(vm, call)
          return at === 0 ? answer : { ...answer, held: false }
        },
      },
    }),
  ),
  everyAdapter(
    'takes a host that is slow for one that is gone',
    'a host that takes connections and never answers is reported as TIMEOUT when the time is up',
    (honest) => ({
      hosts: {
        report: (call) =>
          despite(
            'TIMEOUT',
            () => honest.hosts.report(call),
            (error) => {
              throw call.deadline <= Date.now() ? wrong('UNAVAILABLE', error.effect) : error
            },
          ),
      },
    }),
  ),
  everyAdapter(
    'does not hear its caller give up',
    'a caller that gives up on a host that never answers is free at once',
    (honest) => ({
      hosts: {
        report: (call) => honest.hosts.report(call.deadline > Date.now() + 1000 ? unhurried(call) : call),
      },
    }),
  ),
  everyAdapter('says of a start whose answer was lost that nothing happened', LOST, (honest, at) => ({
    vms: { start: denied(honest.vms.start, at) },
  })),
  everyAdapter('says of an attach whose answer was lost that nothing happened', LOST, (honest, at) => ({
    disks: { attach: denied(honest.disks.attach, at) },
  })),
  adapter(
    'takes a call for the one before when they share a key',
    'calls on a host of one step that share a key do what each of them asks',
    (honest) => {
      const answers = new Map<string, ReturnType<HypervisorAdapter['disks']['attach']>>()
      const first = new Map<string, string>()
      return {
        disks: {
          attach(vm: VmId, disk: DiskSpec, call) {
            const same = first.get(call.key)
            if (same !== undefined && same !== disk.volume)
              return answers.get(call.key) ?? Promise.reject(wrong('BUSY'))
            first.set(call.key, disk.volume)
            const answer = honest.disks.attach(vm, disk, call)
            answers.set(call.key, answer)
            return answer
          },
        },
      }
    },
  ),
]

/** Passes every call on, and denies the effect of one whose answer was lost. */
function denied<Args extends unknown[], Result>(
  run: (...args: Args) => Promise<Result>,
  at: number,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    try {
      return await run(...args)
    } catch (error) {
      if (at > 0 && error instanceof PluginError && error.code === 'UNAVAILABLE') throw wrong('UNAVAILABLE')
      throw error
    }
  }
}
