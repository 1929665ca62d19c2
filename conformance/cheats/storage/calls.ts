import type { VolumeId } from '@moorage/contract'
import { newId } from '../../check.ts'
import { denying, isLate, provider, type StorageCheat, unfenced, unhurried, wrong } from '../cheat.ts'

const LATE = 'every change whose time is up ends in TIMEOUT, and effect none means that nothing was changed'
const ABORTED =
  'every change that its caller has given up ends in TIMEOUT, and effect none means that nothing was changed'

/** Providers that do not mind the clock, or their caller. */
export const callCheats: readonly StorageCheat[] = [
  provider('makes a volume when its time is up, and denies it', LATE, (honest) => ({
    volumes: { create: (spec, call) => denying((each) => honest.volumes.create(spec, each), isLate, call) },
  })),
  provider('deletes when its time is up, and denies it', LATE, (honest) => ({
    volumes: { delete: (id, call) => denying((each) => honest.volumes.delete(id, each), isLate, call) },
  })),
  provider('gives access when its time is up, and denies it', LATE, (honest) => ({
    access: { expose: (exposure, call) => denying((each) => honest.access.expose(exposure, each), isLate, call) },
  })),
  provider('takes access away when its time is up, and denies it', LATE, (honest) => ({
    access: { withdraw: (access, call) => denying((each) => honest.access.withdraw(access, each), isLate, call) },
  })),
  provider('reverts when its time is up, and denies it', LATE, (honest) => ({
    revert: { revert: (id, to, call) => denying((each) => honest.revert.revert(id, to, each), isLate, call) },
  })),
  provider('takes no notice of a deadline that is over', LATE, (honest) => ({
    resize: { grow: (id, bytes, call) => honest.resize.grow(id, bytes, isLate(call) ? unhurried(call) : call) },
  })),
  provider('makes a volume for a caller that has gone, and denies it', ABORTED, (honest) => ({
    volumes: {
      create: (spec, call) =>
        denying(
          (each) => honest.volumes.create(spec, each),
          ({ signal }) => signal.aborted,
          call,
        ),
    },
  })),
  provider('clones for a caller that has gone, and denies it', ABORTED, (honest) => ({
    clones: {
      clone: (from, spec, call) =>
        denying(
          (each) => honest.clones.clone(from, spec, each),
          ({ signal }) => signal.aborted,
          call,
        ),
    },
  })),
  provider('changes QoS for a caller that has gone, and denies it', ABORTED, (honest) => ({
    qos: {
      apply: (id, qos, call) =>
        denying(
          (each) => honest.qos.apply(id, qos, each),
          ({ signal }) => signal.aborted,
          call,
        ),
    },
  })),
  provider(
    'makes two when it is in a hurry',
    'a create with little time left ends soon, and asking again settles it',
    (honest) => ({
      volumes: {
        async create(spec, call) {
          const left = call.deadline - Date.now()
          if (left > 0 && left < 100) await honest.volumes.create({ ...spec, id: newId() }, unhurried(call))
          return honest.volumes.create(spec, call)
        },
      },
    }),
  ),
  provider(
    'is busy for ever with a create that was given up',
    'a create that its caller gives up halfway is settled by asking again',
    (honest) => {
      const stuck = new Set<VolumeId>()
      return {
        volumes: {
          async create(spec, call) {
            if (stuck.has(spec.id)) throw wrong('BUSY')
            call.signal.addEventListener('abort', () => stuck.add(spec.id))
            return honest.volumes.create(spec, call)
          },
        },
      }
    },
  ),
  provider(
    'is busy for ever with a delete that was given up',
    'a delete that its caller gives up halfway is settled by asking again',
    (honest) => {
      const stuck = new Set<VolumeId>()
      return {
        volumes: {
          async delete(id, call) {
            if (stuck.has(id)) throw wrong('BUSY')
            call.signal.addEventListener('abort', () => stuck.add(id))
            await honest.volumes.delete(id, call)
          },
        },
      }
    },
  ),
  provider(
    'is busy for ever with an expose that was given up',
    'an expose that its caller gives up halfway is settled by asking again',
    (honest) => {
      const stuck = new Set<string>()
      return {
        access: {
          async expose(exposure, call) {
            if (stuck.has(exposure.source.id)) throw wrong('BUSY')
            call.signal.addEventListener('abort', () => stuck.add(exposure.source.id))
            return honest.access.expose(exposure, call)
          },
        },
      }
    },
  ),
  provider(
    'does later what was given up',
    'what was given up does not come about after a delete with a higher fence has undone it',
    (honest) => {
      const given = new Map<VolumeId, () => void>()
      return {
        volumes: {
          async create(spec, call) {
            call.signal.addEventListener('abort', () => {
              const late = () => void honest.volumes.create(spec, unfenced(unhurried(call))).catch(() => undefined)
              given.set(spec.id, () => setTimeout(late, 100))
            })
            return honest.volumes.create(spec, call)
          },
          async delete(id, call) {
            await honest.volumes.delete(id, call)
            given.get(id)?.()
          },
        },
      }
    },
  ),
]
