import type { VmId } from '@moorage/contract'
import { adapter, denying, type HypervisorCheat, isLate, unfenced, unhurried, wrong } from '../cheat.ts'

const LATE = 'every change on a host whose time is up ends in TIMEOUT, and effect none means that nothing was changed'
const ABORTED = 'every change on a host that its caller has given up ends in TIMEOUT, and effect none means no change'

/** Adapters that do not mind the clock, or their caller. */
export const callCheats: readonly HypervisorCheat[] = [
  adapter('starts when its time is up, and denies it', LATE, (honest) => ({
    vms: { start: (spec, call) => denying((each) => honest.vms.start(spec, each), isLate, call) },
  })),
  adapter('detaches when its time is up, and denies it', LATE, (honest) => ({
    disks: { detach: (vm, disk, call) => denying((each) => honest.disks.detach(vm, disk, each), isLate, call) },
  })),
  adapter('stops when its time is up, and denies it', LATE, (honest) => ({
    vms: { stop: (id, how, call) => denying((each) => honest.vms.stop(id, how, each), isLate, call) },
  })),
  adapter('throttles when its time is up', LATE, (honest) => ({
    throttle: { apply: (vm, disk, call) => honest.throttle.apply(vm, disk, isLate(call) ? unhurried(call) : call) },
  })),
  adapter('starts for a caller that has gone, and denies it', ABORTED, (honest) => ({
    vms: {
      start: (spec, call) =>
        denying(
          (each) => honest.vms.start(spec, each),
          ({ signal }) => signal.aborted,
          call,
        ),
    },
  })),
  adapter('attaches for a caller that has gone, and denies it', ABORTED, (honest) => ({
    disks: {
      attach: (vm, disk, call) =>
        denying(
          (each) => honest.disks.attach(vm, disk, each),
          ({ signal }) => signal.aborted,
          call,
        ),
    },
  })),
  adapter(
    'is busy for ever with a start that was given up',
    'a start that its caller gives up halfway is settled by asking again',
    (honest) => {
      const stuck = new Set<VmId>()
      return {
        vms: {
          async start(spec, call) {
            if (stuck.has(spec.id)) throw wrong('BUSY')
            call.signal.addEventListener('abort', () => stuck.add(spec.id))
            return honest.vms.start(spec, call)
          },
        },
      }
    },
  ),
  adapter(
    'is busy for ever with an attach that was given up',
    'an attach that its caller gives up halfway is settled by asking again',
    (honest) => {
      const stuck = new Set<VmId>()
      return {
        disks: {
          async attach(vm, disk, call) {
            if (stuck.has(vm)) throw wrong('BUSY')
            call.signal.addEventListener('abort', () => stuck.add(vm))
            return honest.disks.attach(vm, disk, call)
          },
        },
      }
    },
  ),
  adapter(
    'does later what was given up',
    'what was given up does not start after a stop with a higher fence has undone it',
    (honest) => {
      const given = new Map<VmId, () => void>()
      return {
        vms: {
          async start(spec, call) {
            call.signal.addEventListener('abort', () => {
              const late = () => void honest.vms.start(spec, unfenced(unhurried(call))).catch(() => undefined)
              given.set(spec.id, () => setTimeout(late, 100))
            })
            return honest.vms.start(spec, call)
          },
          async stop(id, how, call) {
            await honest.vms.stop(id, how, call)
            given.get(id)?.()
          },
        },
      }
    },
  ),
]
