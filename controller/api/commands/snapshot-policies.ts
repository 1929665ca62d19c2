import type { Retention } from '../../domain/retention.ts'
import type { Interval } from '../../domain/schedule.ts'
import { ownershipOf } from '../../operations/ownership.ts'
import { changePolicy, createPolicy, deletePoliciesOf, simulatePolicy } from '../../operations/snapshot-policies.ts'
import { listPolicies, policyView, type PolicyView } from '../../store/queries/snapshot-policies.ts'
import { defineCommand, EVERYONE, SUCCESS, TENANTS } from '../command.ts'
import { isAdmin } from '../dispatch.ts'
import { given } from '../given.ts'
import { keyword, ownershipParams } from '../ownership.ts'
import { choice, entities, entity, flag, integer, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

/** Where snapshots are kept. */
export const LOCATIONS = ['PRIMARY', 'SECONDARY'] as const

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
  locationtype: field.string('PRIMARY: snapshots stay on their array; SECONDARY: they are archived'),
  maxprimary: field.integer('of those that are archived, how many of the newest stay on their array, too'),
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
    fordisplay: view.display,
    zone: [{ id: view.zoneId, name: view.zoneName }],
    keepdays: view.keepDays,
    keepweeks: view.keepWeeks,
    keepmonths: view.keepMonths,
    keepyears: view.keepYears,
    locationtype: view.location,
    maxprimary: view.maxPrimary,
    nextrun: view.nextAt,
  }
}

const MOST_KEPT = 1000
const kept = (what: string) =>
  integer({ least: 0, most: MOST_KEPT, description: `of the last so many ${what} the newest snapshot stays, too` })

const SCHEDULE = 'HOURLY MM, DAILY MM:HH, WEEKLY MM:HH:DD (1-7, 1 is Sunday), MONTHLY MM:HH:DD (1-28)'
const TIMEZONE = 'the time zone of the schedule, as Europe/Berlin'
const MAXSNAPS = { least: 1, most: MOST_KEPT, description: 'how many of the newest snapshots stay' } as const
const spread = integer({
  least: 0,
  most: 3600,
  description: 'seconds over which runs of policies are spread; 0 unless told: at the minute',
})
const fordisplay = flag({ admin: true, description: 'false: only operators see the policy' })

/** What says which snapshots stay, and where. */
const places = {
  keepdays: kept('days'),
  keepweeks: kept('weeks'),
  keepmonths: kept('months'),
  keepyears: kept('years'),
  locationtype: choice(LOCATIONS, {
    description: 'PRIMARY: snapshots stay on their array, as they do unless told; SECONDARY: each is archived',
  }),
  maxprimary: integer({
    least: 0,
    most: MOST_KEPT,
    description: 'of those that are archived, how many of the newest stay on their array, too; none unless told',
  }),
} as const

/** What says when snapshots are taken, which stay, and where. */
const terms = {
  intervaltype: choice(INTERVALS, { required: true, description: 'HOURLY, DAILY, WEEKLY, or MONTHLY' }),
  schedule: text({ required: true, description: SCHEDULE }),
  timezone: text({ required: true, description: TIMEZONE }),
  maxsnaps: integer({ required: true, ...MAXSNAPS }),
  ...places,
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
    spread,
    fordisplay,
  },
  response,
  async run({ system, caller, params }) {
    const { volumeid: volume, intervaltype: interval, schedule, timezone, locationtype: location } = params
    const wanted = {
      volume,
      interval,
      schedule,
      timezone,
      retention: retentionOf(params),
      maxPrimary: params.maxprimary ?? 0,
      spread: params.spread ?? 0,
      display: params.fordisplay ?? true,
      ...given({ location }),
    }
    const id = await createPolicy({ system, caller }, wanted)
    return { object: render(await policyView(system.store.reader, id)) }
  },
})

const update = defineCommand({
  name: 'updateSnapshotPolicy',
  kind: 'async',
  description: 'Changes a snapshot policy. What it has taken stays, or goes, by its new rules.',
  roles: TENANTS,
  params: {
    id: entity('snapshotpolicy', { required: true, description: 'the ID of the snapshot policy' }),
    schedule: text({ description: SCHEDULE }),
    timezone: text({ description: TIMEZONE }),
    maxsnaps: integer(MAXSNAPS),
    ...places,
    spread,
    fordisplay,
  },
  response,
  result: async ({ system, subject }) => render(await policyView(system.store.reader, subject)),
  run({ system, caller, params }) {
    const { id, schedule, timezone, maxsnaps: newest, locationtype: location, maxprimary: maxPrimary } = params
    const { keepdays: days, keepweeks: weeks, keepmonths: months, keepyears: years } = params
    const retention = given({ newest, days, weeks, months, years })
    const more = given({ schedule, timezone, location, maxPrimary, spread: params.spread, display: params.fordisplay })
    return changePolicy({ system, caller }, { id, retention, ...more })
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
    fordisplay: flag({ admin: true, description: 'list policies by whether they are shown' }),
  },
  response: { ...response, list: true },
  async run({ system, caller, params, page }) {
    const { id, volumeid: volume } = params
    const display = isAdmin(caller) ? params.fordisplay : true
    const byId = id !== undefined || volume !== undefined
    const ownership = await ownershipOf({ system, caller }, params, { byId })
    const { items, count } = await listPolicies(
      system.store.reader,
      { ownership, ...given({ id, volume, display }) },
      page,
    )
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
  keptin: field.string('where it would be: PRIMARY, SECONDARY, or both. A base on the array is not told of'),
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
    const { intervaltype: interval, schedule, timezone, days, locationtype: location = 'PRIMARY' } = params
    const wanted = { interval, schedule, timezone, location, maxPrimary: params.maxprimary ?? 0 }
    const { left } = simulatePolicy({ ...wanted, retention: retentionOf(params) }, { days: days ?? 90 })
    const shown = left.slice(page.offset, page.limit === undefined ? undefined : page.offset + page.limit)
    return {
      list: shown.map(({ at, reasons, onArray, archived }) => ({
        takenat: new Date(at),
        keptas: reasons.join(', '),
        keptin: [...(onArray ? ['PRIMARY'] : []), ...(archived ? ['SECONDARY'] : [])].join(', '),
      })),
      count: left.length,
    }
  },
})

/** The commands about snapshot policies. */
export const snapshotPolicyCommands = [create, update, list, remove, simulate] as const
