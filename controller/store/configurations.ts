import type { Reader, Tx } from './store.ts'

/** What is known of one setting of the installation. All settings are whole numbers; each says of what. */
export interface SettingFacts {
  readonly category: string
  readonly description: string
  readonly unit: 'seconds' | 'days' | 'requests'
  readonly usual: number
  readonly least: number
  readonly most: number
}

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

/** Sets a value that was checked against `SETTINGS`. */
export async function writeSetting(tx: Tx, name: SettingName, value: number): Promise<void> {
  const row = { value: String(value), updatedAt: new Date() }
  await tx
    .insertInto('configuration')
    .values({ name, ...row })
    .onConflict((oc) => oc.columns(['name', 'scope', 'scopeId']).doUpdateSet(row))
    .execute()
}
