import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { receive, valueOf } from './received.ts'
import { isInTime, isSigned } from './signature.ts'

const SECRET = 'Xw_secret-key'

type Params = readonly (readonly [name: string, value: string])[]

/** How a client signs and how it sends: written from the clients' sources, without the code under test. */
interface Client {
  readonly by: 'raw name' | 'lower name'
  /** Characters that stay bare in a signed value, besides letters and digits. */
  readonly bare: string
  /** The same for signed names; absent: names are signed as they are. */
  readonly bareName?: string
  /** Characters that stay bare in what is sent. */
  readonly sends: string
  readonly spaces: '+' | '%20'
}

const CLIENTS = {
  'python cs': { by: 'raw name', bare: '-_.~*', sends: '-_.~', spaces: '+' },
  Libcloud: { by: 'lower name', bare: '-_.~[]*', bareName: '-_.~[]', sends: '-_.~', spaces: '+' },
  'CloudMonkey and the Go SDK': { by: 'raw name', bare: '-_.~', sends: '-_.~', spaces: '+' },
  'csclient, which escapes the asterisk': { by: 'raw name', bare: "-_.~!'()", sends: "-_.~!'()", spaces: '%20' },
  Marvin: { by: 'lower name', bare: '-_.~*', sends: '-_.~', spaces: '+' },
  'an older Marvin, which sends what it signs': {
    by: 'lower name',
    bare: '-_.',
    bareName: '-_.',
    sends: '-_.',
    spaces: '+',
  },
  "CloudStack's own, by Java's URLEncoder": { by: 'raw name', bare: '-_.*', sends: '-_.*', spaces: '+' },
  'a browser, by encodeURIComponent': { by: 'raw name', bare: "-_.~!'()*", sends: "-_.~!'()*", spaces: '%20' },
  'curl with names escaped, too': { by: 'raw name', bare: '-_.~', bareName: '-_.~', sends: '-_.~', spaces: '%20' },
} as const satisfies Readonly<Record<string, Client>>

function escaped(text: string, bare: string, space = '%20'): string {
  const bytes = [...Buffer.from(text, 'utf8')]
  return bytes
    .map((byte) => {
      const character = String.fromCharCode(byte)
      if (character === ' ') return space
      if (/[A-Za-z0-9]/.test(character) || (byte < 128 && bare.includes(character))) return character
      return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

function signatureOf(client: Client, params: Params, secret = SECRET): string {
  const order = (name: string) => (client.by === 'lower name' ? name.toLowerCase() : name)
  const sorted = params.toSorted(([one], [other]) => (order(one) < order(other) ? -1 : 1))
  const name = (text: string) => (client.bareName === undefined ? text : escaped(text, client.bareName))
  const text = sorted.map(([key, value]) => `${name(key)}=${escaped(value, client.bare)}`).join('&')
  return createHmac('sha1', secret).update(text.toLowerCase(), 'utf8').digest('base64')
}

function sent(client: Client, params: Params): string {
  const pairs = params.map(
    ([name, value]) => `${escaped(name, client.sends)}=${escaped(value, client.sends, client.spaces)}`,
  )
  return pairs.join('&')
}

const COMMON: Params = [
  ['command', 'createVolume'],
  ['apiKey', 'abc-_DEF'],
  ['response', 'json'],
  ['name', "Ünïcode ~ tilde * star [0] (paren) it's! a+b/c:d,e=f&g"],
  ['details[0].key', 'minIops'],
  ['details[0].value', '5'],
  ['Zoneid', '7'],
  ['diskOfferingId', '1'],
]

describe('a signature is accepted', () => {
  test.each(Object.entries(CLIENTS))('of %s', (_, client) => {
    const signature = signatureOf(client, COMMON)
    expect(isSigned(receive(sent(client, COMMON)), SECRET, signature)).toBe(true)
  })

  test('whatever any of these clients sends', () => {
    const plain = fc.string({
      unit: fc.constantFrom(...'abcXYZ019-_.~*[](){}!\'" +/:;,=&?%éß漢'.split('')),
      maxLength: 12,
    })
    const name = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9]{0,8}(\[[0-9]\]\.[a-zA-Z_.-]{1,6})?$/)
    const params = fc.uniqueArray(fc.tuple(name, plain), {
      minLength: 1,
      maxLength: 6,
      selector: ([key]) => key.toLowerCase(),
    })
    fc.assert(
      fc.property(params, fc.constantFrom(...Object.values(CLIENTS)), (given, client) => {
        const signature = signatureOf(client, given)
        return isSigned(receive(`${sent(client, given)}&signature=${escaped(signature, '')}`), SECRET, signature)
      }),
      { numRuns: 300 },
    )
  })

  test('that came with its plus signs as spaces', () => {
    const client = CLIENTS['python cs']
    const params = [...COMMON, ['salt', '11']] as const
    const signature = signatureOf(client, params)
    expect(signature).toContain('+')
    const received = receive(`${sent(client, params)}&signature=${signature}`)
    expect(isSigned(received, SECRET, valueOf(received, 'signature') ?? '')).toBe(true)
  })

  test('of a parameter sent twice, over the first, or over both as they are sent', () => {
    const twice: Params = [...COMMON, ['listall', 'true'], ['listall', 'true']]
    const [cs, curl] = [CLIENTS['python cs'], CLIENTS['curl with names escaped, too']]
    expect(isSigned(receive(sent(cs, twice)), SECRET, signatureOf(cs, twice.slice(0, -1)))).toBe(true)
    expect(isSigned(receive(sent(curl, twice)), SECRET, signatureOf(curl, twice))).toBe(true)
  })
})

describe('a signature is refused', () => {
  const client = CLIENTS['python cs']
  const signature = signatureOf(client, COMMON)

  test('when a value, a name, or the number of parameters was changed', () => {
    const changed: readonly Params[] = [
      COMMON.map(([name, value]) => [name, name === 'Zoneid' ? '8' : value] as const),
      COMMON.map(([name, value]) => [name === 'Zoneid' ? 'podid' : name, value] as const),
      COMMON.slice(1),
      [...COMMON, ['forced', 'true']],
    ]
    for (const params of changed) expect(isSigned(receive(sent(client, params)), SECRET, signature)).toBe(false)
  })

  test('under another key, or when it is no signature at all', () => {
    const received = receive(sent(client, COMMON))
    expect(isSigned(received, 'another', signature)).toBe(false)
    for (const wrong of ['', 'x', 'AAAA', `${signature}AAAA`, '💥'])
      expect(isSigned(received, SECRET, wrong)).toBe(false)
  })

  test('when two parameters are folded into the name of one', () => {
    expect(() => receive('command%3DlistUsers%26id=1')).toThrow(/holds = or &/)
  })
})

describe('a request expires', () => {
  const now = Date.parse('2030-01-01T12:00:00Z')

  test.each([
    '2030-01-01T12:00:00+0000',
    '2030-01-01T12:00:01Z',
    '2030-01-01T12:00:00+00:00',
    '2030-01-01T13:00:00+0100',
    '2030-01-01T12:00:00 0000',
  ])('not before %s', (expires) => {
    expect(isInTime({ version: '3', expires }, now)).toBe(true)
  })

  test.each(['2030-01-01T11:59:59+0000', '2030-01-01T12:59:59+0100', '', '2030-01-01', 'tomorrow', undefined])(
    'when it says %s',
    (expires) => {
      expect(isInTime({ version: '3', expires }, now)).toBe(false)
    },
  )

  test('only under signature version 3', () => {
    expect(isInTime({ version: undefined, expires: '2001-01-01T00:00:00+0000' }, now)).toBe(true)
    expect(isInTime({ version: '2', expires: undefined }, now)).toBe(true)
  })
})
