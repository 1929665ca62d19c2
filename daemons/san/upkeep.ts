import type { San } from './facets/context.ts'
import type { QosKeeper } from './qos-keeper.ts'

/** How often guarantees are looked after while there are any. */
const KEEP_MS = 250
/** How often counters are read otherwise: as much of them is lost when tgtd is killed. */
const SAMPLE_MS = 1000
const SAVE_MS = 5000
const POLICE_MS = 2000

/**
 * What is done without being asked: guarantees are kept, counters read and saved, sessions without access ended. A round
 * that fails is logged and the next one tried; while a daemon is being brought back there is none.
 */
export function startUpkeep(san: San, keeper: QosKeeper): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let stopped = false
  let [saved, policed] = [Date.now(), Date.now()]

  const round = async () => {
    const now = Date.now()
    san.counters.sample()
    if (now - saved >= SAVE_MS) {
      saved = now
      san.counters.save()
    }
    if (keeper.isNeeded) await keeper.round(now)
    if (now - policed >= POLICE_MS) {
      policed = now
      await san.engine.endStraySessions()
    }
  }
  const tryRound = async () => {
    try {
      await san.engine.gate.pass({ deadline: Date.now() + SAMPLE_MS }, round)
    } catch (error) {
      san.log.warn({ err: error }, 'a round of upkeep failed')
    }
    if (!stopped) plan()
  }
  const plan = () => {
    const wait = keeper.isNeeded ? KEEP_MS : SAMPLE_MS
    timer = setTimeout(() => {
      running = tryRound()
    }, wait)
  }
  plan()
  return {
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
