import type { SettingSpec } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'

/** A registration as it is stored: secrets apart, so that they can be sealed, and a url without user info. */
export interface Registration {
  readonly url: string
  readonly settings: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
}

/** What a plug-in says about its registration. */
export interface RegistrationForm {
  readonly schemes: readonly string[]
  readonly settings: readonly SettingSpec[]
}

/**
 * Reads url and details as the plug-in's form asks. User info of the url stands for the settings `user` and `password`.
 * Throws `Refusal` `INVALID` that names the parameter or setting and the rule; never repeats a value that may be secret.
 */
export function readRegistration(
  form: RegistrationForm,
  given: { readonly url: string; readonly details: Readonly<Record<string, string>> },
): Registration {
  const { url, userInfo } = readUrl(form, given.url)
  const values = new Map(Object.entries(userInfo))
  for (const [name, value] of Object.entries(given.details)) {
    if (!form.settings.some((spec) => spec.name === name))
      throw new Refusal(
        'INVALID',
        `Invalid parameter details: there is no setting ${name}; known are ${names(form.settings)}`,
      )
    const before = values.get(name)
    if (before !== undefined && before !== value)
      throw new Refusal('INVALID', `Invalid parameter details: ${name} differs from what the url says`)
    values.set(name, value)
  }
  const settings: Record<string, string> = {}
  const secrets: Record<string, string> = {}
  for (const spec of form.settings) {
    const value = readSetting(spec, values.get(spec.name))
    if (value === undefined) continue
    if (spec.type === 'secret') secrets[spec.name] = value
    else settings[spec.name] = value
  }
  return { url, settings, secrets }
}

/** A provider as far as offerings concern it. */
interface OfferingForm {
  readonly name: string
  readonly offeringSettings: readonly SettingSpec[]
}

/**
 * Settings of an offering, which names no provider: each must be known by one that is loaded, and be as one of those asks.
 * Throws `Refusal` `INVALID` that names the setting and the rule, or the settings that there are.
 */
export function readOfferingSettings(
  providers: readonly OfferingForm[],
  details: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const known = providers.flatMap(({ name, offeringSettings }) =>
    offeringSettings.map((spec) => ({ ...spec, of: name })),
  )
  const read = Object.entries(details).flatMap(([name, value]) => {
    const specs = known.filter((spec) => spec.name === name)
    if (specs.length > 0) {
      const held = firstThatHolds(specs, value)
      return held === undefined ? [] : [[name, held] as const]
    }
    const all = known.map((spec) => `${spec.name} (${spec.of})`).join(', ') || 'none'
    throw new Refusal(
      'INVALID',
      `Invalid parameter details: no storage provider has a setting ${name} for offerings; known are ${all}`,
    )
  })
  return Object.fromEntries(read)
}

function firstThatHolds(specs: readonly SettingSpec[], value: string): string | undefined {
  const tried = specs.map((spec) => {
    try {
      return { read: readSetting({ ...spec, required: false }, value) }
    } catch (refused) {
      return { refused }
    }
  })
  const held = tried.find((one) => 'read' in one)
  if (held) return held.read
  throw tried[0]?.refused
}

/**
 * One value as its form asks, in its normal form (`true`, not `TRUE`). `undefined` when there is none and none is needed.
 * Throws `Refusal` `INVALID` that names the setting.
 */
function readSetting(spec: SettingSpec, value: string | undefined): string | undefined {
  const wrong = (rule: string) => new Refusal('INVALID', `Invalid parameter details: ${spec.name} ${rule}`)
  if (value === undefined || value === '') {
    if (spec.required) throw wrong(`is required: ${spec.description}`)
    return undefined
  }
  if (spec.type === 'integer' && !(/^-?\d{1,15}$/.test(value) && Number.isSafeInteger(Number(value))))
    throw wrong('must be a whole number')
  const normal = spec.type === 'boolean' ? value.toLowerCase() : value
  if (spec.type === 'boolean' && normal !== 'true' && normal !== 'false') throw wrong('must be true or false')
  if (spec.oneOf !== undefined && !spec.oneOf.includes(normal)) throw wrong(`must be one of ${spec.oneOf.join(', ')}`)
  return normal
}

function readUrl(
  form: RegistrationForm,
  text: string,
): { readonly url: string; readonly userInfo: Readonly<Record<string, string>> } {
  const schemes = form.schemes.map((scheme) => `${scheme}://`).join(', ')
  if (!URL.canParse(text))
    throw new Refusal('INVALID', `Invalid parameter url: it must be a url that begins with ${schemes}`)
  const url = new URL(text)
  if (!form.schemes.includes(url.protocol.slice(0, -1)))
    throw new Refusal('INVALID', `Invalid parameter url: it must begin with ${schemes}`)
  const userInfo = { user: decode(url.username), password: decode(url.password) }
  const present = Object.entries(userInfo).filter(([, value]) => value !== '')
  for (const [name] of present)
    if (!form.settings.some((spec) => spec.name === name))
      throw new Refusal('INVALID', `Invalid parameter url: it carries a ${name}, which this plug-in does not take`)
  url.username = ''
  url.password = ''
  return { url: url.href, userInfo: Object.fromEntries(present) }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Refusal('INVALID', 'Invalid parameter url: its user info is not percent-encoded as urls ask')
  }
}

function names(specs: readonly SettingSpec[]): string {
  return specs.length === 0 ? 'none' : specs.map((spec) => spec.name).join(', ')
}
