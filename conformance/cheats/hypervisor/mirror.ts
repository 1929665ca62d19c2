import { type FailureCode, type MirrorSpec, PluginError, type VmId } from '@moorage/contract'
import { failureOf } from '../../check.ts'
import { adapter, evading, type FullAdapter, type HypervisorCheat } from '../cheat.ts'

type Key = Pick<MirrorSpec, 'id' | 'volume' | 'generation'>

/** Adapters whose mirrors the hypervisor kit must reject. */
export const mirrorCheats: readonly HypervisorCheat[] = [
  adapter(
    'shows a disk that was switched as another device',
    'a mirrored disk goes on at its target as the same disk, with one session there and none to where it was',
    (honest) => {
      const switched = new Set<string>()
      return {
        mirror: {
          async switch(vm, mirror, call) {
            switched.add(mirror.volume)
            return honest.mirror.switch(vm, mirror, call)
          },
        },
        vms: {
          async get(id, call) {
            const vm = await honest.vms.get(id, call)
            const shown = vm?.disks.map((disk) => (switched.has(disk.volume) ? { ...disk, device: 'another' } : disk))
            return vm && { ...vm, disks: shown ?? [] }
          },
        },
      }
    },
  ),
  adapter(
    'does not know a mirror any more once it has switched',
    'every step of a mirror asked again is the same step',
    (honest) => {
      const switched = new Set<string>()
      return {
        mirror: {
          async switch(vm, mirror, call) {
            if (switched.has(mirror.id)) throw new PluginError('NOT_FOUND', 'no such mirror', 'none')
            const disk = await honest.mirror.switch(vm, mirror, call)
            switched.add(mirror.id)
            return disk
          },
        },
      }
    },
  ),
  adapter(
    'says that it has switched a disk of which nobody has begun a mirror',
    'a disk is not switched by a mirror that was never begun, nor before both sides are the same',
    (honest) => {
      const begun = new Set<string>()
      return {
        mirror: {
          async copy(vm, mirror, call) {
            begun.add(mirror.id)
            return honest.mirror.copy(vm, mirror, call)
          },
          async switch(vm, mirror, call) {
            const switching = honest.mirror.switch(vm, mirror, call)
            // What was fenced, or abandoned, it still refuses.
            if (begun.has(mirror.id) || (await failureOf(switching))?.code !== 'NOT_FOUND') return switching
            return diskOf(honest, { vm, mirror }, call)
          },
          async abandon(vm, mirror, call) {
            begun.add(mirror.id)
            return honest.mirror.abandon(vm, mirror, call)
          },
        },
      }
    },
  ),
  adapter(
    'says that it has switched before both sides are the same',
    'a disk is not switched by a mirror that was never begun, nor before both sides are the same',
    (honest) => ({
      mirror: {
        async switch(vm, mirror, call) {
          const switching = honest.mirror.switch(vm, mirror, call)
          if ((await failureOf(switching))?.code !== 'BUSY') return switching
          return diskOf(honest, { vm, mirror }, call)
        },
      },
    }),
  ),
  adapter(
    'says of a second mirror of a disk that it copies',
    'a second mirror of a disk is refused while one is under way',
    copiesDespite('CONFLICT'),
  ),
  adapter(
    'keeps a mirror that is abandoned',
    'a mirror that is abandoned leaves nothing and does not switch any more, and its disk goes on where it was',
    (honest) => {
      const switched = new Set<string>()
      return {
        mirror: {
          async switch(vm, mirror, call) {
            switched.add(mirror.id)
            return honest.mirror.switch(vm, mirror, call)
          },
          abandon: async (vm, mirror, call) =>
            // Under a high fence it seems to do as it should.
            switched.has(mirror.id) || call.fence > 2000
              ? honest.mirror.abandon(vm, mirror, call)
              : { switched: false },
        },
      }
    },
  ),
  adapter(
    'denies that a disk was switched',
    [
      'abandoning a mirror that has switched says so and leaves the disk where it is',
      'that a disk was switched is told also when its machine has gone since',
    ],
    (honest) => ({
      mirror: {
        async abandon(vm, mirror, call) {
          await honest.mirror.abandon(vm, mirror, call)
          return { switched: false }
        },
      },
    }),
  ),
  adapter(
    'forgets that a disk was switched when it is asked for the second time',
    'abandoning a mirror that has switched says so and leaves the disk where it is',
    (honest) => {
      const told = new Set<string>()
      return {
        mirror: {
          async abandon(vm, mirror, call) {
            const found = await honest.mirror.abandon(vm, mirror, call)
            if (told.has(mirror.id)) return { switched: false }
            told.add(mirror.id)
            return found
          },
        },
      }
    },
  ),
  adapter(
    'forgets that a disk was switched when its machine goes',
    'that a disk was switched is told also when its machine has gone since',
    (honest) => {
      const gone = new Set<VmId>()
      return {
        vms: {
          async stop(id, how, call) {
            await honest.vms.stop(id, how, call)
            gone.add(id)
          },
        },
        mirror: {
          async abandon(vm, mirror, call) {
            const found = await honest.mirror.abandon(vm, mirror, call)
            return gone.has(vm) ? { switched: false } : found
          },
        },
      }
    },
  ),
  adapter(
    'refuses to abandon a mirror that was never begun',
    'abandoning a mirror that was never begun says that it has not switched',
    (honest) => {
      const begun = new Set<string>()
      return {
        mirror: {
          async copy(vm, mirror, call) {
            begun.add(mirror.id)
            return honest.mirror.copy(vm, mirror, call)
          },
          async abandon(vm, mirror, call) {
            if (begun.has(mirror.id) || call.fence > 2000) return honest.mirror.abandon(vm, mirror, call)
            throw new PluginError('NOT_FOUND', 'no such mirror', 'none')
          },
        },
      }
    },
  ),
  adapter(
    'copies whatever the fence',
    'late steps of a mirror that was given up are refused as FENCED, and copy nothing',
    (honest) => ({
      mirror: {
        copy: (vm, mirror, call) =>
          mirror.generation === 0
            ? honest.mirror.copy(vm, mirror, call)
            : evading((each) => honest.mirror.copy(vm, mirror, each), call),
      },
    }),
  ),
  adapter(
    'abandons a mirror whatever the fence',
    'a late abandon below the fence of a newer step of a mirror is refused as FENCED',
    (honest) => ({
      mirror: { abandon: (vm, mirror, call) => evading((each) => honest.mirror.abandon(vm, mirror, each), call) },
    }),
  ),
  adapter(
    'says that it copies to what is smaller than the disk',
    'a disk is not copied to what is smaller or cannot be opened: nothing is left of it, and the disk goes on',
    copiesDespite('INVALID'),
  ),
  adapter(
    'says that it copies a disk that is not there',
    'a disk that is not there is not copied, nor one of an older generation',
    copiesDespite('NOT_FOUND'),
  ),
  {
    name: 'loses what a guest writes while its disk is copied',
    caughtBy: ['what a guest wrote before its disk is copied, and meanwhile, it reads afterwards from the target'],
    spoil(bench) {
      const { guest, adapter: honest } = bench
      const { mirror } = honest
      if (!guest || !mirror) return bench
      const under = new Set<string>()
      return {
        ...bench,
        adapter: {
          ...honest,
          mirror: {
            ...mirror,
            copy(vm, spec, call) {
              under.add(spec.volume)
              return mirror.copy(vm, spec, call)
            },
          },
        },
        guest: {
          ...guest,
          write: async (at, bytes) => (under.has(at.volume) ? undefined : guest.write(at, bytes)),
        },
      }
    },
  },
  adapter(
    'mirrors a disk once only',
    'a disk that was mirrored is mirrored once more when it is asked to',
    (honest) => {
      const switched = new Map<string, string>()
      const isAnother = ({ id, volume }: Key) => switched.has(volume) && switched.get(volume) !== id
      return {
        mirror: {
          copy: async (vm, mirror, call) =>
            isAnother(mirror) ? { state: 'same' } : honest.mirror.copy(vm, mirror, call),
          async switch(vm, mirror, call) {
            if (isAnother(mirror)) return diskOf(honest, { vm, mirror }, call)
            const disk = await honest.mirror.switch(vm, mirror, call)
            switched.set(mirror.volume, mirror.id)
            return disk
          },
        },
      }
    },
  ),
  adapter(
    'loses the throttle of a disk that it switches',
    'a disk keeps its throttle when it is switched',
    (honest) => ({
      mirror: {
        async switch(vm, mirror, call) {
          const disk = await honest.mirror.switch(vm, mirror, call)
          if (Object.keys(disk.throttle).length === 0) return disk
          await honest.throttle.apply(vm, { volume: mirror.volume, qos: {} }, call)
          return { ...disk, throttle: {} }
        },
      },
    }),
  ),
]

/** Says that it copies where the honest one refuses with `code`. */
function copiesDespite(code: FailureCode): Parameters<typeof adapter>[2] {
  return (honest) => ({
    mirror: {
      async copy(vm, mirror, call) {
        const copying = honest.mirror.copy(vm, mirror, call)
        if ((await failureOf(copying))?.code !== code) return copying
        return { state: 'copying', doneBytes: 0, totalBytes: 1 }
      },
    },
  })
}

async function diskOf(
  honest: FullAdapter,
  { vm, mirror }: { readonly vm: VmId; readonly mirror: Key },
  call: Parameters<FullAdapter['vms']['get']>[1],
) {
  const found = (await honest.vms.get(vm, call))?.disks.find(({ volume }) => volume === mirror.volume)
  if (found) return found
  throw new PluginError('NOT_FOUND', 'no such disk', 'none')
}
