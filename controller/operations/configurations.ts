import { inWords } from '../domain/size.ts'
import {
  forgetSetting,
  isSetting,
  nearest,
  type SettingFacts,
  type SettingName,
  type SettingPlace,
  type SettingScope,
  SETTINGS,
  valuesSet,
  writeSetting,
} from '../store/configurations.ts'
import { applyTerms } from '../store/pool-terms.ts'
import { poolById } from '../store/pools.ts'
import { type Reader, type Tx } from '../store/store.ts'
import { certain } from './certain.ts'
import type { System } from './context.ts'
import { refuse } from './refusals.ts'
import { type By, note } from './submit.ts'

/** Where to look for a setting, or to set it; with neither, the whole installation. Not both. */
export interface SettingAt {
  readonly zone?: string
  readonly pool?: string
}

/** A setting with the value in force at the place asked for, and the scope at which that was set. */
export interface ShownSetting extends SettingFacts {
  readonly name: string
  readonly value: number
  readonly setAt: SettingScope | 'usual'
}

/** All settings, of a zone or pool those that can have a value there. */
export async function listSettings(system: System, at: SettingAt = {}): Promise<readonly ShownSetting[]> {
  const { reader } = system.store
  const place = placeOf(at)
  const [around, set] = [await surroundings(reader, at), await valuesSet(reader)]
  const names = Object.keys(SETTINGS).filter(isSetting)
  return names.filter((name) => allows(name, place.scope)).map((name) => shown(set, name, around))
}

/**
 * Sets a value for the whole installation, a zone or a pool; it holds at once, on every controller. Throws `Refusal` `INVALID`
 * for a setting that is not there or has no value of its own in such a place, for a value that breaks its rule, naming it, and
 * for a factor with which a pool would have promised more than it may.
 */
export async function changeSetting(
  by: By,
  change: { readonly name: string; readonly value: string; readonly at?: SettingAt },
): Promise<ShownSetting> {
  const place = placeOf(change.at ?? {})
  const name = settingNamed(change.name, place)
  const value = valueOf(name, change.value)
  return await carryOut(by, { name, at: change.at ?? {}, what: `was set to ${inForm(SETTINGS[name], value)}` }, (tx) =>
    writeSetting(tx, name, { value, place }),
  )
}

/** Takes back a value that was set for that very place: the next nearest holds again. Throws as `changeSetting`. */
export async function resetSetting(
  by: By,
  which: { readonly name: string; readonly at?: SettingAt },
): Promise<ShownSetting> {
  const place = placeOf(which.at ?? {})
  const name = settingNamed(which.name, place)
  return await carryOut(by, { name, at: which.at ?? {}, what: 'was reset' }, (tx) => forgetSetting(tx, name, place))
}

/** A value as clients read and write it. */
export function inForm({ unit }: Pick<SettingFacts, 'unit'>, value: number): string {
  return unit === 'flag' ? String(value === 1) : String(value)
}

async function carryOut(
  by: By,
  of: { readonly name: SettingName; readonly at: SettingAt; readonly what: string },
  write: (tx: Tx) => Promise<void>,
): Promise<ShownSetting> {
  const { name, at, what } = of
  return await by.system.store.transact(async (tx) => {
    const around = await surroundings(tx, at)
    await write(tx)
    const over = await applyTerms(tx, at)
    if (over) {
      const amount = (number: number) => (over.unit === 'bytes' ? inWords(number) : `${number} IOPS`)
      throw refuse(
        'INVALID',
        `Invalid parameter value: storage pool ${over.name} has promised ${amount(over.reserved)}, and might promise ${amount(over.limit)}`,
      )
    }
    const where = at.pool === undefined ? (at.zone === undefined ? '' : ' of a zone') : ' of a storage pool'
    await note(tx, by, { type: 'CONFIGURATION.VALUE.EDIT', description: `Setting ${name}${where} ${what}` })
    return shown(await valuesSet(tx), name, around)
  })
}

function shown(set: ReadonlyMap<string, number>, name: SettingName, around: SettingAt): ShownSetting {
  const { value, scope } = nearest(set, name, around)
  return { name, ...SETTINGS[name], value, setAt: scope }
}

function placeOf({ zone, pool }: SettingAt): SettingPlace {
  if (zone !== undefined && pool !== undefined)
    throw refuse('INVALID', 'Parameters zoneid and storageid exclude each other: a setting has one scope')
  if (pool !== undefined) return { scope: 'pool', id: pool }
  return zone === undefined ? { scope: 'global' } : { scope: 'zone', id: zone }
}

/** A pool with its zone, since what is not set for it is set there. */
async function surroundings(reader: Reader, at: SettingAt): Promise<SettingAt> {
  if (at.pool === undefined) return at
  const { id, zoneId } = certain(await poolById(reader, at.pool), 'storageid')
  return { pool: id, zone: zoneId }
}

function allows(name: SettingName, scope: SettingScope): boolean {
  const { scopes = [] }: SettingFacts = SETTINGS[name]
  return scope === 'global' || scopes.includes(scope)
}

function settingNamed(name: string, place: SettingPlace): SettingName {
  if (!isSetting(name)) throw refuse('INVALID', `Config parameter with name ${name} doesn't exist`)
  if (allows(name, place.scope)) return name
  const parameter = place.scope === 'zone' ? 'zoneid' : 'storageid'
  throw refuse(
    'INVALID',
    `Invalid parameter ${parameter}: setting ${name} has no value of its own for a ${place.scope}`,
  )
}

function valueOf(name: SettingName, text: string): number {
  const { least, most, unit } = SETTINGS[name]
  const given = text.trim().toLowerCase()
  if (unit === 'flag') {
    if (given === 'true' || given === 'false') return given === 'true' ? 1 : 0
    throw refuse('INVALID', `Invalid parameter value: ${name} is true or false`)
  }
  const fraction = unit === 'factor' || unit === 'share'
  const number = (fraction ? /^\d{1,9}(\.\d{1,4})?$/ : /^\d{1,15}$/).test(given) ? Number(given) : Number.NaN
  if (number >= least && number <= most) return number
  const kind = fraction ? `a ${unit}, with four decimals at most,` : `a whole number of ${unit}`
  throw refuse('INVALID', `Invalid parameter value: ${name} is ${kind} from ${least} to ${most}`)
}
