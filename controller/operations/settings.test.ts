import type { SettingSpec } from '@moorage/contract'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../domain/failures.ts'
import { readOfferingSettings, readRegistration } from './settings.ts'

const setting = (name: string, more: Partial<SettingSpec> = {}): SettingSpec => ({
  name,
  title: name,
  type: 'string',
  required: false,
  description: `the ${name}`,
  ...more,
})

const form = {
  schemes: ['array', 'arrays'],
  settings: [
    setting('user', { required: true }),
    setting('password', { required: true, type: 'secret' }),
    setting('retries', { type: 'integer' }),
    setting('thin', { type: 'boolean' }),
    setting('tier', { oneOf: ['ssd', 'hdd'] }),
  ],
}
const details = { user: 'ops', password: 'hush-hush' }
const read = (url: string, more: Readonly<Record<string, string>> = details) =>
  readRegistration(form, { url, details: more })

describe('the registration of a plug-in', () => {
  test('keeps secrets apart from the other settings', () => {
    const { settings, secrets } = read('array://a:1/p', { ...details, retries: '3', thin: 'TRUE', tier: 'ssd' })
    expect(settings).toEqual({ user: 'ops', retries: '3', thin: 'true', tier: 'ssd' })
    expect(secrets).toEqual({ password: 'hush-hush' })
  })

  test('takes user and password from the url, decoded, and does not keep them in it', () => {
    expect(read('array://ops:p%40ss@a:1/p?x=y', {})).toEqual({
      url: 'array://a:1/p?x=y',
      settings: { user: 'ops' },
      secrets: { password: 'p@ss' },
    })
  })

  test.each([
    ['nonsense', details, /url: it must be a url that begins with array:\/\/, arrays:\/\//],
    ['http://a/p', details, /url: it must begin with array:\/\//],
    ['array://%E0%A4%A:x@a/p', {}, /url: its user info/],
    ['array://a/p', { user: 'ops' }, /password is required: the password/],
    ['array://a/p', { ...details, retries: 'many' }, /retries must be a whole number/],
    ['array://a/p', { ...details, retries: '99999999999999999' }, /retries must be a whole number/],
    ['array://a/p', { ...details, thin: 'maybe' }, /thin must be true or false/],
    ['array://a/p', { ...details, tier: 'tape' }, /tier must be one of ssd, hdd/],
    ['array://a/p', { ...details, colour: 'red' }, /there is no setting colour; known are user, password/],
    ['array://other:hush-hush@a/p', details, /user differs from what the url says/],
  ])('refuses %s with %j and names what is wrong', (url, given, text) => {
    expect(() => read(url, given)).toThrow(text)
    expect(() => read(url, given)).toThrow(Refusal)
    expect(() => read(url, given)).not.toThrow(/hush-hush/)
  })
})

describe('the settings of an offering', () => {
  const providers = [
    {
      name: 'one',
      offeringSettings: [setting('class', { oneOf: ['gold', 'tin'] }), setting('thin', { type: 'boolean' })],
    },
    { name: 'other', offeringSettings: [setting('class', { oneOf: ['fast'] })] },
  ]

  test('are read as one of the providers that know them asks', () => {
    expect(readOfferingSettings(providers, { class: 'fast', thin: 'TRUE' })).toEqual({ class: 'fast', thin: 'true' })
    expect(readOfferingSettings(providers, { class: '' })).toEqual({})
    expect(readOfferingSettings([], {})).toEqual({})
  })

  test('that no provider knows, or none would take, are refused, saying which there are', () => {
    expect(() => readOfferingSettings(providers, { colour: 'red' })).toThrow(
      'no storage provider has a setting colour for offerings; known are class (one), thin (one), class (other)',
    )
    expect(() => readOfferingSettings([], { colour: 'red' })).toThrow('known are none')
    expect(() => readOfferingSettings(providers, { class: 'lead' })).toThrow('class must be one of gold, tin')
  })
})
