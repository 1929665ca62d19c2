import { argon2Sync } from 'node:crypto'
import { expect, test } from 'vitest'
import { hashPassword, isPassword } from './passwords.ts'

test('a password is kept as a salted Argon2id hash that names its cost, and is told from others', async () => {
  const [one, other] = [await hashPassword('correct horse'), await hashPassword('correct horse')]
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
  expect(one).not.toBe(other)
  expect(await isPassword('correct horse', one)).toBe(true)
  expect(await isPassword('correct hors', one)).toBe(false)
  expect(await isPassword('', one)).toBe(false)
})

test('is checked at the cost that its hash names, so that another one later locks nobody out', async () => {
  const nonce = Buffer.from('some salt of old')
  const cost = { memory: 64, passes: 3, parallelism: 1 }
  const tag = argon2Sync('argon2id', { message: Buffer.from('old one'), nonce, tagLength: 32, ...cost })
  const [salt, hash] = [nonce, tag].map((bytes) => bytes.toString('base64').replaceAll('=', ''))
  expect(await isPassword('old one', `$argon2id$v=19$m=64,t=3,p=1$${salt}$${hash}`)).toBe(true)
  expect(await isPassword('old one', `$argon2id$v=19$m=64,t=2,p=1$${salt}$${hash}`)).toBe(false)
})

test('of nobody, and of a hash that is none, is none', async () => {
  expect(await isPassword('anything', undefined)).toBe(false)
  for (const hash of ['', 'anything', '$2b$10$abcdefghijklmnopqrstuv'])
    expect(await isPassword('anything', hash)).toBe(false)
})
