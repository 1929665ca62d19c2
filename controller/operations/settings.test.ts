import type { SettingSpec } from '@moorage/contract'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../domain/failures.ts'
import { readRegistration } from './settings.ts'

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
