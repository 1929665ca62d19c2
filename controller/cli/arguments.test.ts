import { describe, expect, test } from 'vitest'
import { readArguments, UsageError } from './arguments.ts'

test('serve reads its flags, with the usual address when none is given', () => {
  const argv = [
    'serve',
    '--data',
    '/d',
    '--integration-listen',
    '[::1]:0',
    '--seed',
    'simulator',
    '--metrics-listen',
    '0.0.0.0:9100',
    '--tls-certificate',
    '/c.pem',
    '--tls-key',
    '/k.pem',
    '--cors-origin',
    'https://console.example.com',
    '--cors-origin',
    'http://localhost:5173',
    '--plugin',
    '/p/acme',
    '--plugin',
    '/p/files,write=/srv/pool,read=/etc/acme,run,memory=64',
  ]
  expect(readArguments(argv)).toEqual({
    command: 'serve',
    data: '/d',
    listen: { host: '127.0.0.1', port: 8080 },
    integrationListen: { host: '::1', port: 0 },
    metricsListen: { host: '0.0.0.0', port: 9100 },
    tls: { certificate: '/c.pem', key: '/k.pem' },
    origins: ['https://console.example.com', 'http://localhost:5173'],
    seed: 'simulator',
    adminPasswordFile: undefined,
    plugins: [
      { path: '/p/acme', read: [], write: [], run: false, memoryMib: 256 },
      { path: '/p/files', read: ['/etc/acme'], write: ['/srv/pool'], run: true, memoryMib: 64 },
    ],
    logLevel: 'info',
  })
})

test('audit verify reads where the audit is, and what is expected of it', () => {
  const hash = 'a'.repeat(64)
  expect(readArguments(['audit', 'verify', '--data', '/d', '--expect', `12:${hash}`])).toEqual({
    command: 'audit verify',
    data: '/d',
    expect: { position: 12, hash },
  })
})

test('nothing, help and --help ask for help', () => {
  for (const argv of [[], ['help'], ['serve', '--help']]) expect(readArguments(argv)).toEqual({ command: 'help' })
})

describe('a command line that cannot be followed', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['--data: is required', ['serve']],
    ['--data: is required', ['keys']],
    ['--data: is required', ['audit', 'verify']],
    ['audit: takes no argument', ['audit', 'purge', '--data', 'd']],
    ['--expect: must be POSITION:HASH', ['audit', 'verify', '--data', 'd', '--expect', '12:x']],
    ['--seed: does not go with audit verify', ['audit', 'verify', '--data', 'd', '--seed', 'simulator']],
    ['--expect: does not go with keys', ['keys', '--data', 'd', '--expect', 'x']],
    ['--tls-key: is required', ['serve', '--data', 'd', '--tls-certificate', '/c.pem']],
    ['--tls-certificate: is required', ['serve', '--data', 'd', '--tls-key', '/k.pem']],
    ['--cors-origin: must be an origin', ['serve', '--data', 'd', '--cors-origin', '*']],
    ['--cors-origin: must be an origin', ['serve', '--data', 'd', '--cors-origin', 'https://a.example/path']],
    ['--listen: must be HOST:PORT', ['serve', '--data', 'd', '--listen', '8080']],
    ['--listen: must be HOST:PORT', ['serve', '--data', 'd', '--listen', 'h:70000']],
    ['--integration-listen: must be HOST:PORT', ['serve', '--data', 'd', '--integration-listen', 'x']],
    ['--seed: must be simulator; got san', ['serve', '--data', 'd', '--seed', 'san']],
    ['--plugin: it must begin with the path', ['serve', '--data', 'd', '--plugin', ',run']],
    ['--plugin: all is neither read=PATH', ['serve', '--data', 'd', '--plugin', '/p,all']],
    ['--log-level: must be one of', ['serve', '--data', 'd', '--log-level', 'loud']],
    ['--seed: does not go with keys', ['keys', '--data', 'd', '--seed', 'simulator']],
    ['there is no command srve', ['srve', '--data', 'd']],
    ['takes no argument', ['keys', 'more', '--data', 'd']],
    ["Unknown option '--dta'", ['serve', '--dta', 'd']],
    ["'--data <value>' argument missing", ['serve', '--data']],
  ]
  for (const [says, argv] of cases) {
    test(`${argv.join(' ')} is told: ${says}`, () => {
      expect(() => readArguments(argv)).toThrow(UsageError)
      expect(() => readArguments(argv)).toThrow(says)
    })
  }
})
