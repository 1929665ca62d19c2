import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSealer, loadMasterKey } from './secrets.ts'

const one = createSealer(Buffer.alloc(32, 1))
const other = createSealer(Buffer.alloc(32, 2))

describe('a sealed secret', () => {
  test('opens with its key and context', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (clear, context) => {
        expect(one.unseal(context, one.seal(context, clear))).toBe(clear.toWellFormed())
      }),
    )
  })

  test('is different every time, and does not show its text', () => {
    const [a, b] = [one.seal('pool:1', 'geheim'), one.seal('pool:1', 'geheim')]
    expect(a.equals(b)).toBe(false)
    expect(a.includes('geheim')).toBe(false)
  })

  test('does not open in another row', () => {
    expect(() => one.unseal('pool:2', one.seal('pool:1', 'x'))).toThrow(
      'pool:2: the sealed value was changed or belongs to another row',
    )
  })

  test('does not open under another key, which is named', () => {
    expect(() => other.unseal('pool:1', one.seal('pool:1', 'x'))).toThrow(
      `pool:1: sealed under key ${one.keyId}, this controller has ${other.keyId}`,
    )
  })

  test('does not open once a bit was turned or bytes are missing', () => {
    const sealed = one.seal('pool:1', 'x')
    for (const at of sealed.keys()) {
      const turned = Buffer.from(sealed)
      turned.writeUInt8(turned.readUInt8(at) ^ 1, at)
      expect(() => one.unseal('pool:1', turned)).toThrow(/^pool:1: /)
      expect(() => one.unseal('pool:1', sealed.subarray(0, at))).toThrow(/^pool:1: /)
    }
  })
})

describe('the master key file', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'moorage-key-'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  test('is made once, for its owner only, and read ever after', () => {
    const path = join(dir, 'new', 'master.key')
    const key = loadMasterKey(path, { create: true })
    expect(key).toHaveLength(32)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(loadMasterKey(path, { create: true }).equals(key)).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe(`${key.toString('hex')}\n`)
  })

  test('is not made where the operator named one that is not there', () => {
    expect(() => loadMasterKey(join(dir, 'absent'), { create: false })).toThrow(
      `there is no master key file ${dir}/absent`,
    )
  })

  test('is refused while others may read it', () => {
    const path = join(dir, 'open.key')
    writeFileSync(path, '0'.repeat(64))
    chmodSync(path, 0o640)
    expect(() => loadMasterKey(path, { create: false })).toThrow('run chmod 600')
  })

  test('is refused when it holds something else', () => {
    const path = join(dir, 'odd.key')
    writeFileSync(path, 'password', { mode: 0o600 })
    expect(() => loadMasterKey(path, { create: false })).toThrow('64 hexadecimal digits')
  })
})
