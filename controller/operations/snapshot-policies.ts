import { randomUUID } from 'node:crypto'
import { type Retention, kept, type Reason } from '../domain/retention.ts'
import { type Interval, nextDue, parseSchedule, type Schedule, SCHEDULE_FORMATS } from '../domain/schedule.ts'
import { isZone } from '../domain/wall-time.ts'
import { setting } from '../store/configurations.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import { deletePolicies, policiesById, policyOf, putPolicy } from '../store/snapshot-policies.ts'
import { certain } from './certain.ts'
import { refuse } from './refusals.ts'
import { type By, carriedOut, note } from './submit.ts'

/** When snapshots are to be taken, and which of them are to stay. `schedule` as CloudStack writes it. */
export interface Terms {
  readonly interval: Interval
  readonly schedule: string
  readonly timezone: string
  readonly retention: Retention
}

/** A policy for a volume. `spread`: the seconds over which runs of policies are spread. */
export interface PolicyRequest extends Terms {
  readonly volume: string
  readonly spread: number
}

/**
 * Records the policy, in place of the one that the volume has for that interval, and answers its id. Refuses, naming the
 * parameter: a schedule or a time zone that is none, more snapshots than are allowed, a volume that is being deleted.
 */
export async function createPolicy(by: By, request: PolicyRequest): Promise<string> {
  const { interval, timezone, retention, spread } = request
  const schedule = checkedSchedule(request)
  return await carriedOut(by, async (tx) => {
    const most = await setting(tx, MOST_SETTINGS[interval])
    if (retention.newest > most)
      throw refuse('INVALID', `Invalid parameter maxsnaps: ${MOST_SETTINGS[interval]} allows ${most} at most`)
    const volume = certain(await volumeStanding(tx, request.volume), 'volumeid')
    if (GOING.some((state) => state === volume.state))
      throw refuse('INVALID', `Invalid parameter volumeid: volume ${volume.id} is ${volume.state}`)
    // A policy that is changed keeps its moment within the spread: it derives from its id.
    const before = await policyOf(tx, { volume: volume.id, interval })
    const id = before?.id ?? randomUUID()
    const delay = spread === 0 ? 0 : Number.parseInt(id.slice(0, 8), 16) % (spread + 1)
    const policy = await putPolicy(tx, {
      id,
      accountId: volume.accountId,
      volumeId: volume.id,
      intervalType: interval,
      schedule: request.schedule,
      timezone,
      maxSnaps: retention.newest,
      keepDays: retention.days,
      keepWeeks: retention.weeks,
      keepMonths: retention.months,
      keepYears: retention.years,
      delay,
      nextAt: new Date(nextDue(schedule, timezone, Date.now()) + delay * 1000),
    })
    await note(tx, by, {
      type: 'SNAPSHOT.POLICY.CREATE',
      description: `Snapshots of volume ${volume.name} are taken ${interval.toLowerCase()} at ${request.schedule} ${timezone}`,
      account: volume.accountId,
      resource: { kind: 'SnapshotPolicy', id: policy },
    })
    return policy
  })
}

/** Removes policies. What they took stays until somebody deletes it. */
export async function deletePoliciesOf(by: By, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) throw refuse('INVALID', 'Invalid parameter id: id or ids must name a policy')
  await carriedOut(by, async (tx) => {
    for (const { id, accountId, intervalType } of await policiesById(tx, ids)) {
      await note(tx, by, {
        type: 'SNAPSHOT.POLICY.DELETE',
        description: `Snapshots are taken ${intervalType.toLowerCase()} no more`,
        account: accountId,
        resource: { kind: 'SnapshotPolicy', id },
      })
    }
    await deletePolicies(tx, ids)
  })
}

/** A snapshot that would be there at the end. `at`: epoch milliseconds. */
export interface Foreseen {
  readonly at: number
  readonly reasons: readonly Reason[]
}

/** Most runs that are simulated at once. */
const MOST_RUNS = 20_000
const DAY_MS = 24 * 3_600_000

/** What a policy would have taken within so many days from now, and what of it would be left then. Records nothing. */
export function simulatePolicy(
  terms: Terms,
  { days }: { readonly days: number },
): { readonly taken: number; readonly left: readonly Foreseen[] } {
  const schedule = checkedSchedule(terms)
  const { timezone, retention } = terms
  const points: { readonly id: string; readonly at: number }[] = []
  const end = Date.now() + days * DAY_MS
  for (let at = nextDue(schedule, timezone, Date.now()); at <= end; at = nextDue(schedule, timezone, at)) {
    if (points.length === MOST_RUNS)
      throw refuse('INVALID', `Invalid parameter days: the policy would run more than ${MOST_RUNS} times`)
    points.push({ id: String(at), at })
  }
  const left = kept(points, retention, timezone).map(({ point, reasons }) => ({ at: point.at, reasons }))
  return { taken: points.length, left }
}

const MOST_SETTINGS = {
  HOURLY: 'snapshot.max.hourly',
  DAILY: 'snapshot.max.daily',
  WEEKLY: 'snapshot.max.weekly',
  MONTHLY: 'snapshot.max.monthly',
} as const satisfies Record<Interval, string>

const GOING = ['Destroy', 'Expunging', 'Expunged'] as const

function checkedSchedule({ interval, schedule, timezone }: Terms): Schedule {
  const parsed = parseSchedule(interval, schedule)
  if (!parsed)
    throw refuse('INVALID', `Invalid parameter schedule: ${interval} is written ${SCHEDULE_FORMATS[interval]}`)
  if (!isZone(timezone))
    throw refuse('INVALID', 'Invalid parameter timezone: it must name a time zone, as Europe/Berlin')
  return parsed
}
