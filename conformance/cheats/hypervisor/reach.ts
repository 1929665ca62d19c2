import type { Reached } from '@moorage/contract'
import { adapter, type HypervisorCheat, wrong } from '../cheat.ts'

/** Adapters that break a promise of `reach`. */
export const reachCheats: readonly HypervisorCheat[] = [
  adapter(
    'says once that it gets to a pool, and then no more',
    'a host says that it gets to where its disks come from, as often as it is asked',
    (honest) => {
      const asked = new Set<string>()
      return {
        reach: {
          async prepare(reach, call): Promise<Reached> {
            const key = JSON.stringify(reach)
            if (asked.has(key)) return { reached: false, why: 'it is prepared already' }
            asked.add(key)
            return honest.reach.prepare(reach, call)
          },
        },
      }
    },
  ),
  adapter('tries the first portal only', 'one way to a pool that leads there is enough', (honest) => ({
    reach: {
      prepare: (reach, call) =>
        honest.reach.prepare(reach.via === 'iscsi' ? { ...reach, portals: reach.portals.slice(0, 1) } : reach, call),
    },
  })),
  adapter(
    'fails where it does not get to a pool',
    'that a host does not get to a pool is an answer with its reason, no error',
    (honest) => ({
      reach: {
        async prepare(reach, call): Promise<Reached> {
          const answer = await honest.reach.prepare(reach, call)
          if (answer.reached) return answer
          throw wrong('UNAVAILABLE')
        },
      },
    }),
  ),
]
