import type { Retention } from '../../domain/retention.ts'
import type { Interval } from '../../domain/schedule.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import { createPolicy, deletePoliciesOf, simulatePolicy } from '../../operations/snapshot-policies.ts'
import { listPolicies, policyView, type PolicyView } from '../../store/queries/snapshot-policies.ts'
import { defineCommand, EVERYONE, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { choice, entities, entity, integer, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

/** Intervals of policies, in the order of CloudStack's numbers for them. */
export const INTERVALS = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY'] as const satisfies readonly Interval[]

const shape = {
  id: field.string('the ID of the snapshot policy'),
  volumeid: field.string('the ID of the disk volume'),
  schedule: field.string('time the snapshot is scheduled to be taken'),
  intervaltype: field.integer('the interval type: 0 hourly, 1 daily, 2 weekly, 3 monthly'),
  maxsnaps: field.integer('maximum number of snapshots retained, besides those of days, weeks, months and years'),
  timezone: field.string('the time zone of the snapshot policy'),
  fordisplay: field.boolean('true: the policy is shown to its owner'),
  zone: field.list(
    { id: field.string('id of the zone'), name: field.string('name of the zone') },
    'where snapshots are',
  ),
  keepdays: field.integer('of so many days the newest snapshot stays'),
  keepweeks: field.integer('of so many weeks the newest snapshot stays'),
  keepmonths: field.integer('of so many months the newest snapshot stays'),
  keepyears: field.integer('of so many years the newest snapshot stays'),
  nextrun: field.date('when the next snapshot is due'),
} as const

const response = { key: 'snapshotpolicy', shape } as const

function render(view: PolicyView | undefined): Rendered<typeof shape> {
  if (view === undefined) return {}
  return {
    id: view.id,
    volumeid: view.volumeId,
    schedule: view.schedule,
    intervaltype: INTERVALS.indexOf(view.intervalType),
    maxsnaps: view.maxSnaps,
    timezone: view.timezone,
    fordisplay: true,
    zone: [{ id: view.zoneId, name: view.zoneName }],
    keepdays: view.keepDays,
    keepweeks: view.keepWeeks,
    keepmonths: view.keepMonths,
    keepyears: view.keepYears,
    nextrun: view.nextAt,
  }
}

const MOST_KEPT = 1000
const kept = (what: string) =>
  integer({ least: 0, most: MOST_KEPT, description: `of the last so many ${what} the newest snapshot stays, too` })

/** What says when snapshots are taken and which stay. */
const terms = {
  intervaltype: choice(INTERVALS, { required: true, description: 'HOURLY, DAILY, WEEKLY, or MONTHLY' }),
  schedule: text({
    required: true,
    description: 'HOURLY MM, DAILY MM:HH, WEEKLY MM:HH:DD (1-7, 1 is Sunday), MONTHLY MM:HH:DD (1-28)',
  }),
  timezone: text({ required: true, description: 'the time zone of the schedule, as Europe/Berlin' }),
  maxsnaps: integer({
    required: true,
    least: 1,
    most: MOST_KEPT,
    description: 'how many of the newest snapshots stay',
  }),
  keepdays: kept('days'),
  keepweeks: kept('weeks'),
  keepmonths: kept('months'),
  keepyears: kept('years'),
} as const

interface Asked {
  readonly maxsnaps: number
  readonly keepdays?: number | undefined
  readonly keepweeks?: number | undefined
  readonly keepmonths?: number | undefined
  readonly keepyears?: number | undefined
}

function retentionOf({ maxsnaps, keepdays, keepweeks, keepmonths, keepyears }: Asked): Retention {
  return {
    newest: maxsnaps,
    days: keepdays ?? 0,
    weeks: keepweeks ?? 0,
    months: keepmonths ?? 0,
    years: keepyears ?? 0,
  }
}

const create = defineCommand({
  name: 'createSnapshotPolicy',
  kind: 'sync',
  description: 'Has snapshots of a volume taken by a schedule, in place of what it had for that interval.',
  roles: TENANTS,
  params: {
    volumeid: entity('volume', { required: true, description: 'the ID of the disk volume' }),
    ...terms,
    spread: integer({
      least: 0,
      most: 3600,
      description: 'seconds over which runs of policies are spread; 0 if not given: at the minute',
    }),
  },
  response,
  async run({ system, caller, params }) {
    const { volumeid: volume, intervaltype: interval, schedule, timezone, spread } = params
    const retention = retentionOf(params)
    const wanted = { volume, interval, schedule, timezone, retention, spread: spread ?? 0 }
    const id = await createPolicy({ system, caller }, wanted)
    return { object: render(await policyView(system.store.reader, id)) }
  },
})

const list = defineCommand({
  name: 'listSnapshotPolicies',
  kind: 'sync',
  description: 'Lists snapshot policies.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    keyword,
    id: entity('snapshotpolicy', { description: 'the ID of the snapshot policy' }),
    volumeid: entity('volume', { removed: true, description: 'the ID of the disk volume' }),
  },
  response: { ...response, list: true },
  async run({ system, caller, params, page }) {
    const { id, volumeid: volume } = params
    const byId = id !== undefined || volume !== undefined
    const ownership = await ownershipOf({ system, caller }, params, { byId })
    const { items, count } = await listPolicies(system.store.reader, { ownership, ...given({ id, volume }) }, page)
    return { list: items.map(render), count }
  },
})

const remove = defineCommand({
  name: 'deleteSnapshotPolicies',
  kind: 'sync',
  description: 'Deletes snapshot policies. Snapshots that they took stay.',
  roles: TENANTS,
  params: {
    id: entity('snapshotpolicy', { description: 'the ID of the snapshot policy' }),
    ids: entities('snapshotpolicy', { description: 'the IDs of the snapshot policies' }),
  },
  response: SUCCESS,
  async run({ system, caller, params: { id, ids = [] } }) {
    await deletePoliciesOf({ system, caller }, id === undefined ? ids : [id, ...ids])
    return { success: true }
  },
})

const foreseen = {
  takenat: field.date('when it would be taken'),
  keptas: field.string('why it would still be there: newest, days, weeks, months, years'),
} as const

const simulate = defineCommand({
  name: 'simulateSnapshotPolicy',
  kind: 'sync',
  extension: true,
  description: 'Tells which snapshots a policy would leave after so many days, and why. Takes and records nothing.',
  roles: EVERYONE,
  params: {
    ...terms,
    days: integer({ least: 1, most: 3660, description: 'how many days from now are simulated; 90 if not given' }),
  },
  response: { key: 'snapshotpolicysimulation', shape: foreseen, list: true },
  async run({ params, page }) {
    const { intervaltype: interval, schedule, timezone, days } = params
    const { left } = simulatePolicy(
      { interval, schedule, timezone, retention: retentionOf(params) },
      { days: days ?? 90 },
    )
    const shown = left.slice(page.offset, page.limit === undefined ? undefined : page.offset + page.limit)
    return {
      list: shown.map(({ at, reasons }) => ({ takenat: new Date(at), keptas: reasons.join(', ') })),
      count: left.length,
    }
  },
})

/** The commands about snapshot policies. */
export const snapshotPolicyCommands = [create, list, remove, simulate] as const
