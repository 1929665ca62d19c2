import type { Qos } from '@moorage/contract'
import type { Reader, Tx } from './store.ts'

/** Where a setting can have a value of its own; the nearest to a pool or host counts. */
export const SETTING_SCOPES = ['global', 'zone', 'pool'] as const
/** A name in `SETTING_SCOPES`. */
export type SettingScope = (typeof SETTING_SCOPES)[number]

/**
 * What is known of one setting of the installation. All settings are numbers, whole ones but for factors and shares; each
 * says of what. A flag is 1 for true, 0 for false.
 */
export interface SettingFacts {
  readonly category: string
  readonly description: string
  readonly unit:
    | 'seconds'
    | 'days'
    | 'requests'
    | 'snapshots'
    | 'GiB'
    | 'IOPS'
    | 'factor'
    | 'share'
    | 'flag'
    | 'bytes per second'
  /** Scopes beside `global`; absent: none. */
  readonly scopes?: readonly SettingScope[]
  readonly usual: number
  readonly least: number
  readonly most: number
}

function throttling(what: string, unit: 'IOPS' | 'bytes per second'): SettingFacts {
  return {
    category: 'Advanced',
    description: `limit of the hypervisor on ${what} of volumes that are made from now on, where their disk offering says none and sells no storage QoS; 0: no limit`,
    unit,
    usual: 0,
    least: 0,
    most: 1_000_000_000_000,
  }
}

const MOST_SNAPSHOTS = { category: 'Snapshots', unit: 'snapshots', usual: 8, least: 1, most: 1000 } as const

/** The settings, under CloudStack's names where it has the same. Only what is honoured is listed. */
export const SETTINGS = {
  'expunge.delay': {
    category: 'Advanced',
    description: 'how long a destroyed volume or virtual machine can be recovered before it is expunged',
    unit: 'seconds',
    usual: 86_400,
    least: 1,
    most: 365 * 86_400,
  },
  'operation.retention': {
    category: 'Advanced',
    description: 'how long an operation that has ended is kept with its log, and its job id answers',
    unit: 'days',
    usual: 30,
    least: 1,
    most: 3650,
  },
  'audit.retention': {
    category: 'Advanced',
    description: 'how long it is kept who asked for what',
    unit: 'days',
    usual: 365,
    least: 1,
    most: 36_500,
  },
  'census.interval': {
    category: 'Advanced',
    description: 'how often arrays and hosts are compared with the database',
    unit: 'seconds',
    usual: 3600,
    least: 60,
    most: 30 * 86_400,
  },
  'host.lost.after': {
    category: 'Advanced',
    description:
      'how long a host may be silent before it is given up: its access is withdrawn and its virtual machines stop, or start elsewhere; 0: only when an operator says so',
    unit: 'seconds',
    usual: 1800,
    least: 0,
    most: 30 * 86_400,
  },
  'census.recycle.retention': {
    category: 'Advanced',
    description: 'how long an object that a census finding recycled can be taken back before it is deleted',
    unit: 'seconds',
    usual: 7 * 86_400,
    least: 60,
    most: 365 * 86_400,
  },
  'session.timeout': {
    category: 'Advanced',
    description: 'how long a login session may be idle before it ends',
    unit: 'seconds',
    usual: 1800,
    least: 60,
    most: 30 * 86_400,
  },
  'api.throttling.max': {
    category: 'Advanced',
    description:
      'how many requests an account may make of each controller in an api.throttling.interval; 0: as many as it likes',
    unit: 'requests',
    usual: 0,
    least: 0,
    most: 1_000_000,
  },
  'api.throttling.interval': {
    category: 'Advanced',
    description: 'the time in which an account may make api.throttling.max requests',
    unit: 'seconds',
    usual: 1,
    least: 1,
    most: 86_400,
  },
  'storage.overprovisioning.factor': {
    category: 'Storage',
    description: 'how many times the bytes of a pool may be promised to volumes',
    unit: 'factor',
    scopes: ['zone', 'pool'],
    usual: 1,
    least: 0.01,
    most: 100,
  },
  'storage.iops.overprovisioning.factor': {
    category: 'Storage',
    description: 'how many times the IOPS of a pool may be guaranteed to volumes',
    unit: 'factor',
    scopes: ['zone', 'pool'],
    usual: 1,
    least: 0.01,
    most: 100,
  },
  'pool.storage.capacity.disablethreshold': {
    category: 'Storage',
    description:
      'share of what an array has that is written, from which its pool takes no new volumes; 1: its own limit',
    unit: 'share',
    scopes: ['zone', 'pool'],
    usual: 1,
    least: 0.01,
    most: 1,
  },
  'pool.storage.allocated.capacity.disablethreshold': {
    category: 'Storage',
    description:
      'share of what a pool may promise, overprovisioned, up to which it takes new volumes; the rest is for growth',
    unit: 'share',
    scopes: ['zone', 'pool'],
    usual: 1,
    least: 0.01,
    most: 1,
  },
  'storage.iops.floor': {
    category: 'Storage',
    description: 'what a pool is charged for each volume to which it guarantees no IOPS, those of others included',
    unit: 'IOPS',
    scopes: ['zone', 'pool'],
    usual: 0,
    least: 0,
    most: 1_000_000,
  },
  'storage.unbounded.volumes': {
    category: 'Storage',
    description: 'whether a pool takes volumes without a maximum of IOPS or bytes per second',
    unit: 'flag',
    scopes: ['zone', 'pool'],
    usual: 1,
    least: 0,
    most: 1,
  },
  'host.qos.overprovisioning.factor': {
    category: 'Storage',
    description: 'how many times what a host may draw for the disks that it throttles may be promised to them',
    unit: 'factor',
    scopes: ['zone'],
    usual: 1,
    least: 0.01,
    most: 100,
  },
  'vm.disk.throttling.iops_read_rate': throttling('reads', 'IOPS'),
  'vm.disk.throttling.iops_write_rate': throttling('writes', 'IOPS'),
  'vm.disk.throttling.bytes_read_rate': throttling('reads', 'bytes per second'),
  'vm.disk.throttling.bytes_write_rate': throttling('writes', 'bytes per second'),
  'archive.collect.interval': {
    category: 'Snapshots',
    description:
      'how often what no snapshot refers to is removed from an archive, where updateImageStore says nothing else; 0: never',
    unit: 'seconds',
    usual: 86_400,
    least: 0,
    most: 365 * 86_400,
  },
  'archive.drill.interval': {
    category: 'Snapshots',
    description:
      'how often every byte of a random snapshot in an archive is read and checked, where updateImageStore says nothing else; 0: never',
    unit: 'seconds',
    usual: 7 * 86_400,
    least: 0,
    most: 365 * 86_400,
  },
  'snapshot.max.hourly': { ...MOST_SNAPSHOTS, description: 'how many hourly snapshots of a volume a policy may keep' },
  'snapshot.max.daily': { ...MOST_SNAPSHOTS, description: 'how many daily snapshots of a volume a policy may keep' },
  'snapshot.max.weekly': { ...MOST_SNAPSHOTS, description: 'how many weekly snapshots of a volume a policy may keep' },
  'snapshot.max.monthly': {
    ...MOST_SNAPSHOTS,
    description: 'how many monthly snapshots of a volume a policy may keep',
  },
  'max.template.iso.size': {
    category: 'Advanced',
    description: 'how large a template that is fetched from a web server may be, as a file and as a disk',
    unit: 'GiB',
    usual: 50,
    least: 1,
    most: 65_536,
  },
} as const satisfies Readonly<Record<string, SettingFacts>>
/** A key of `SETTINGS`. */
export type SettingName = keyof typeof SETTINGS

/** True when there is a setting of that name. */
export function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name)
}

/** The value in force, in the setting's unit: what was set, else the usual one. */
export async function setting(reader: Reader, name: SettingName): Promise<number> {
  const row = await reader
    .selectFrom('configuration')
    .where('name', '=', name)
    .where('scope', '=', 'global')
    .select('value')
    .executeTakeFirst()
  return row === undefined ? SETTINGS[name].usual : Number(row.value)
}

/** Where a value of a setting holds. `id`: of the zone or pool. */
export type SettingPlace = { readonly scope: 'global' } | { readonly scope: 'zone' | 'pool'; readonly id: string }

/** Every value that was set, by name and place: for `nearest`. */
export async function valuesSet(reader: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await reader.selectFrom('configuration').selectAll().execute()
  return new Map(rows.map(({ name, scope, scopeId, value }) => [`${name} ${scope} ${scopeId}`, Number(value)]))
}

function settingKey(name: SettingName, place: SettingPlace): string {
  return `${name} ${place.scope} ${place.scope === 'global' ? '' : place.id}`
}

/** The value in force at a pool or zone, or with neither of the whole installation, and the scope that it was set at. Pure. */
export function nearest(
  set: ReadonlyMap<string, number>,
  name: SettingName,
  at: { readonly pool?: string; readonly zone?: string },
): { readonly value: number; readonly scope: SettingScope | 'usual' } {
  const places: SettingPlace[] = [{ scope: 'global' }]
  if (at.zone !== undefined) places.unshift({ scope: 'zone', id: at.zone })
  if (at.pool !== undefined) places.unshift({ scope: 'pool', id: at.pool })
  for (const place of places) {
    const value = set.get(settingKey(name, place))
    if (value !== undefined) return { value, scope: place.scope }
  }
  return { value: SETTINGS[name].usual, scope: 'usual' }
}

const THROTTLES = {
  'vm.disk.throttling.iops_read_rate': 'readIops',
  'vm.disk.throttling.iops_write_rate': 'writeIops',
  'vm.disk.throttling.bytes_read_rate': 'readBytes',
  'vm.disk.throttling.bytes_write_rate': 'writeBytes',
} as const satisfies { readonly [Name in SettingName]?: keyof Qos }

/** What the `vm.disk.throttling` settings limit; `{}` when none is set. */
export async function throttleDefaults(reader: Reader): Promise<Qos> {
  const rows = await reader
    .selectFrom('configuration')
    .where('name', 'in', Object.keys(THROTTLES))
    .where('scope', '=', 'global')
    .select(['name', 'value'])
    .execute()
  const set = Object.entries(THROTTLES).flatMap(([name, axis]) => {
    const max = Number(rows.find((row) => row.name === name)?.value ?? 0)
    return max === 0 ? [] : [[axis, { max }] as const]
  })
  return Object.fromEntries(set)
}

/** Sets a value that was checked against `SETTINGS`. */
export async function writeSetting(
  tx: Tx,
  name: SettingName,
  to: { readonly value: number; readonly place: SettingPlace },
): Promise<void> {
  const row = { value: String(to.value), updatedAt: new Date() }
  const { scope } = to.place
  await tx
    .insertInto('configuration')
    .values({ name, scope, scopeId: to.place.scope === 'global' ? '' : to.place.id, ...row })
    .onConflict((oc) => oc.columns(['name', 'scope', 'scopeId']).doUpdateSet(row))
    .execute()
}

/** Forgets a value of a place: the next nearest is in force again. Nothing happens when there is none. */
export async function forgetSetting(tx: Tx, name: SettingName, place: SettingPlace): Promise<void> {
  await tx
    .deleteFrom('configuration')
    .where('name', '=', name)
    .where('scope', '=', place.scope)
    .where('scopeId', '=', place.scope === 'global' ? '' : place.id)
    .execute()
}
