import { randomUUID } from 'node:crypto'
import { type Retention, kept, type Reason } from '../domain/retention.ts'
import { type Interval, nextDue, parseSchedule, type Schedule, SCHEDULE_FORMATS } from '../domain/schedule.ts'
import { isZone } from '../domain/wall-time.ts'
import { recorded } from '../sagas/recorded.ts'
import { setting } from '../store/configurations.ts'
import type { SnapshotPolicyRow } from '../store/generated/schema.ts'
import { volumeStanding } from '../store/queries/standing.ts'
import {
  deletePolicies,
  lockPolicy,
  policiesById,
  policyOf,
  putPolicy,
  updatePolicy,
} from '../store/snapshot-policies.ts'
import type { Tx } from '../store/store.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { refuse } from './refusals.ts'
import { checkArchivable } from './snapshot-archive.ts'
import { goesToArchive } from './snapshot-create.ts'
import { type By, carriedOut, note, submit } from './submit.ts'

/**
 * When snapshots are to be taken, which of them are to stay, and where: in a SECONDARY location with the newest `maxPrimary`
 * on their array, too. `schedule` as CloudStack writes it.
 */
export interface Terms {
  readonly interval: Interval
  readonly schedule: string
  readonly timezone: string
  readonly retention: Retention
  readonly location: SnapshotPolicyRow['location']
  readonly maxPrimary: number
}

/** A policy for a volume. `spread`: the seconds over which runs of policies are spread. `location` absent: as snapshots of the volume have it. */
export interface PolicyRequest extends Omit<Terms, 'location'> {
  readonly volume: string
  readonly location?: SnapshotPolicyRow['location']
  readonly spread: number
  /** Whether tenants see it. */
  readonly display: boolean
}

/** What to change of a policy; absent means as it is. */
export interface PolicyChange {
  readonly id: string
  readonly schedule?: string
  readonly timezone?: string
  readonly retention: Partial<Retention>
  readonly location?: SnapshotPolicyRow['location']
  readonly maxPrimary?: number
  readonly spread?: number
  readonly display?: boolean
}

/**
 * Records the policy, in place of the one that the volume has for that interval, and answers its id. Refuses, naming the
 * parameter: a schedule or a time zone that is none, more snapshots than are allowed, a volume that is being deleted, and a
 * location that cannot be.
 */
export async function createPolicy(by: By, request: PolicyRequest): Promise<string> {
  return await carriedOut(by, async (tx) => {
    const volume = certain(await volumeStanding(tx, request.volume), 'volumeid')
    if (GOING.some((state) => state === volume.state))
      throw refuse('INVALID', `Invalid parameter volumeid: volume ${volume.id} is ${volume.state}`)
    const location = goesToArchive(request.location, volume.poolManaged) ? 'SECONDARY' : 'PRIMARY'
    // A policy that is changed keeps its moment within the spread: it derives from its id.
    const before = await policyOf(tx, { volume: volume.id, interval: request.interval })
    const id = before?.id ?? randomUUID()
    const policy = await putPolicy(tx, {
      id,
      accountId: volume.accountId,
      volumeId: volume.id,
      intervalType: request.interval,
      display: request.display,
      ...(await recordOf(tx, { ...request, location }, { zone: volume.zoneId, delay: delayOf(id, request.spread) })),
    })
    await note(tx, by, {
      type: 'SNAPSHOT.POLICY.CREATE',
      description: `Snapshots of volume ${volume.name} are taken ${request.interval.toLowerCase()} at ${request.schedule} ${request.timezone}`,
      account: volume.accountId,
      resource: { kind: 'SnapshotPolicy', id: policy },
    })
    return policy
  })
}

/** Changes a policy, and answers the operation. What it has taken then stays by its new rules. Refuses what `createPolicy` does. */
export async function changePolicy(by: By, change: PolicyChange): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const before = await lockPolicy(tx, change.id)
    if (before === undefined) throw refuse('NOT_FOUND', 'Invalid parameter id: there is no such snapshot policy')
    const volume = certain(await volumeStanding(tx, before.volumeId), 'id')
    const asked = change.location ?? (volume.poolManaged === false ? undefined : before.location)
    const terms: Terms = {
      interval: before.intervalType,
      schedule: change.schedule ?? before.schedule,
      timezone: change.timezone ?? before.timezone,
      retention: { ...retentionOf(before), ...change.retention },
      location: goesToArchive(asked, volume.poolManaged) ? 'SECONDARY' : 'PRIMARY',
      maxPrimary: change.maxPrimary ?? (asked === 'PRIMARY' ? 0 : before.maxPrimary),
    }
    const delay = change.spread === undefined ? before.delay : delayOf(before.id, change.spread)
    const { id } = before
    await updatePolicy(tx, id, {
      ...(await recordOf(tx, terms, { zone: volume.zoneId, delay })),
      display: change.display ?? before.display,
    })
    const operation = await submit(tx, by, {
      command: 'updateSnapshotPolicy',
      head: recorded,
      input: { kind: 'SnapshotPolicy', id },
      event: {
        type: 'SNAPSHOT.POLICY.UPDATE',
        description: `Changing when snapshots of volume ${volume.name} are taken, and which of them stay`,
        account: before.accountId,
        resource: { kind: 'SnapshotPolicy', id },
      },
    })
    return { operation, id }
  })
}

/** Columns of a policy that say when, which and where. */
async function recordOf(tx: Tx, terms: Terms, { zone, delay }: { readonly zone: string; readonly delay: number }) {
  const { interval, timezone, retention, location, maxPrimary } = terms
  const schedule = checkedSchedule(terms)
  const most = await setting(tx, MOST_SETTINGS[interval])
  if (retention.newest > most)
    throw refuse('INVALID', `Invalid parameter maxsnaps: ${MOST_SETTINGS[interval]} allows ${most} at most`)
  checkPlaces(terms)
  if (location === 'SECONDARY') await checkArchivable(tx, zone)
  return {
    schedule: terms.schedule,
    timezone,
    maxSnaps: retention.newest,
    keepDays: retention.days,
    keepWeeks: retention.weeks,
    keepMonths: retention.months,
    keepYears: retention.years,
    location,
    maxPrimary,
    delay,
    nextAt: new Date(nextDue(schedule, timezone, Date.now()) + delay * 1000),
  }
}

/** Seconds that a policy is late within the spread: always the same, since they derive from its id. */
function delayOf(id: string, spread: number): number {
  return spread === 0 ? 0 : Number.parseInt(id.slice(0, 8), 16) % (spread + 1)
}

function checkPlaces({ location, maxPrimary, retention }: Pick<Terms, 'location' | 'maxPrimary' | 'retention'>): void {
  if (location === 'PRIMARY' && maxPrimary > 0)
    throw refuse('INVALID', 'Invalid parameter maxprimary: it is for policies whose locationtype is SECONDARY')
  if (maxPrimary > retention.newest)
    throw refuse(
      'INVALID',
      `Invalid parameter maxprimary: what stays on the array is in the archive, too, where maxsnaps keeps ${retention.newest}`,
    )
}

/** What the policy keeps. */
function retentionOf(policy: SnapshotPolicyRow): Retention {
  return {
    newest: policy.maxSnaps,
    days: policy.keepDays,
    weeks: policy.keepWeeks,
    months: policy.keepMonths,
    years: policy.keepYears,
  }
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

/** A snapshot that would be there at the end, and where. `at`: epoch milliseconds. */
export interface Foreseen {
  readonly at: number
  readonly reasons: readonly Reason[]
  readonly onArray: boolean
  readonly archived: boolean
}

/** Most runs that are simulated at once. */
const MOST_RUNS = 20_000
const DAY_MS = 24 * 3_600_000

/**
 * What a policy would have taken within so many days from now, and what of it would be left then, all of it archived at once
 * where it is to be; a base is not told of. Records nothing.
 */
export function simulatePolicy(
  terms: Terms,
  { days }: { readonly days: number },
): { readonly taken: number; readonly left: readonly Foreseen[] } {
  const schedule = checkedSchedule(terms)
  checkPlaces(terms)
  const { timezone, retention, location, maxPrimary } = terms
  const points: { readonly id: string; readonly at: number }[] = []
  const end = Date.now() + days * DAY_MS
  for (let at = nextDue(schedule, timezone, Date.now()); at <= end; at = nextDue(schedule, timezone, at)) {
    if (points.length === MOST_RUNS)
      throw refuse('INVALID', `Invalid parameter days: the policy would run more than ${MOST_RUNS} times`)
    points.push({ id: String(at), at })
  }
  const archived = location === 'SECONDARY'
  const left = kept(points, retention, timezone).map(({ point, reasons }, index) => ({
    at: point.at,
    reasons,
    archived,
    onArray: !archived || index < maxPrimary,
  }))
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
