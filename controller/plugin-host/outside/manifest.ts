import { type HypervisorPlugin, type SettingSpec, type StoragePlugin } from '@moorage/contract'
import { CONTRACT_VERSION } from '../facets.ts'

/** A plug-in without its `open`: plain data. */
export type Manifest = Omit<StoragePlugin, 'open'> | Omit<HypervisorPlugin, 'open'>

/** Checks what a plug-in says of itself, member by member. Throws with the member that is wrong. */
export function checkManifest(said: object): Manifest {
  const manifest = said as Readonly<Record<string, unknown>> // Looked at below before it is believed.
  if (manifest['contract'] !== CONTRACT_VERSION) {
    throw new Error(
      `it speaks contract ${JSON.stringify(manifest['contract'])}, this controller speaks ${CONTRACT_VERSION}`,
    )
  }
  const storage = manifest['kind'] === 'storage'
  const wrong = [
    ...['name', 'title'].filter((name) => !isText(manifest[name])),
    ...['schemes', ...(storage ? ['protocols'] : [])].filter((name) => !isListOf(manifest[name], isText)),
    ...['settings', ...(storage ? ['offeringSettings'] : [])].filter((name) => !isListOf(manifest[name], isSetting)),
    ...(storage ? [] : ['hypervisor'].filter((name) => !isText(manifest[name]))),
    ...(storage && !isOneOf(manifest['shape'], ['dedicated', 'shared']) ? ['shape'] : []),
    ...(storage && !isOneOf(manifest['managed'], ['always', 'optional']) ? ['managed'] : []),
  ]
  if (wrong.length > 0) throw new Error(`its plugin has no valid ${wrong.join(', ')}`)
  return said as Manifest // Every member was just looked at.
}

function isSetting(value: unknown): value is SettingSpec {
  if (typeof value !== 'object' || value === null) return false
  const { name, title, type, required, description, oneOf } = value as Readonly<Record<string, unknown>> // Looked at here.
  const texts = [name, title, description].every((text) => typeof text === 'string')
  const choices = oneOf === undefined || isListOf(oneOf, isText)
  return texts && choices && typeof required === 'boolean' && isOneOf(type, ['string', 'integer', 'boolean', 'secret'])
}

function isListOf(value: unknown, is: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0
}

function isOneOf(value: unknown, values: readonly string[]): boolean {
  return typeof value === 'string' && values.includes(value)
}
