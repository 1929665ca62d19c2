import { isSetting, setting, type SettingFacts, SETTINGS, writeSetting } from '../store/configurations.ts'
import type { System } from './context.ts'
import { refuse } from './refusals.ts'
import { type By, note } from './submit.ts'

/** A setting of the installation, with the value in force. */
export interface ShownSetting extends SettingFacts {
  readonly name: string
  readonly value: number
}

/** All settings by name. */
export async function listSettings(system: System): Promise<readonly ShownSetting[]> {
  const names = Object.keys(SETTINGS).filter(isSetting)
  return await Promise.all(
    names.map(async (name) => ({ name, ...SETTINGS[name], value: await setting(system.store.reader, name) })),
  )
}

/**
 * Sets a value; it holds at once, on every controller. Throws `Refusal` `INVALID` for a setting that is not there, and
 * for a value that breaks its rule, naming it.
 */
export async function changeSetting(
  by: By,
  change: { readonly name: string; readonly value: string },
): Promise<ShownSetting> {
  const { name, value } = change
  if (!isSetting(name)) throw refuse('INVALID', `Config parameter with name ${name} doesn't exist`)
  const { least, most, unit } = SETTINGS[name]
  const number = /^\d{1,15}$/.test(value.trim()) ? Number(value) : Number.NaN
  if (!(number >= least && number <= most)) {
    throw refuse('INVALID', `Invalid parameter value: ${name} is a whole number of ${unit} from ${least} to ${most}`)
  }
  await by.system.store.transact(async (tx) => {
    await writeSetting(tx, name, number)
    await note(tx, by, {
      type: 'CONFIGURATION.VALUE.EDIT',
      description: `Setting ${name} was set to ${number}`,
    })
  })
  return { name, ...SETTINGS[name], value: number }
}
