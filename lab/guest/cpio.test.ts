import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type CpioEntry, packCpio } from './cpio.ts'

const entries: readonly CpioEntry[] = [
  { path: 'etc', kind: 'directory' },
  { path: 'etc/empty', kind: 'file', data: Buffer.from(''), executable: false },
  { path: 'etc/odd', kind: 'file', data: Buffer.from('12345'), executable: true },
  { path: 'etc/link', kind: 'link', target: '/etc/odd' },
]

test('the archive has the layout of newc: header, name and data, each padded to four bytes', () => {
  const archive = packCpio([{ path: 'a', kind: 'file', data: Buffer.from('xyz'), executable: false }])
  expect(archive.length % 4).toBe(0)
  expect(archive.toString('latin1', 0, 6)).toBe('070701')
  expect(archive.toString('latin1', 14, 22)).toBe('000081a4')
  expect(archive.toString('latin1', 54, 62)).toBe('00000003')
  expect(archive.toString('latin1', 110, 112)).toBe('a\0')
  expect(archive.toString('latin1', 112, 115)).toBe('xyz')
  expect(archive.toString('latin1')).toContain('TRAILER!!!\0')
})

test('another program unpacks what was packed', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'cpio-'))
  try {
    execFileSync('busybox', ['cpio', '-i', '-d'], {
      cwd: directory,
      input: packCpio(entries),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    expect(await readFile(join(directory, 'etc/odd'), 'utf8')).toBe('12345')
    expect((await stat(join(directory, 'etc/odd'))).mode & 0o777).toBe(0o755)
    expect((await stat(join(directory, 'etc/empty'))).size).toBe(0)
    expect(await readlink(join(directory, 'etc/link'))).toBe('/etc/odd')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') context.skip('busybox is not installed')
    throw error
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('equal entries give equal bytes', () => {
  expect(packCpio(entries).equals(packCpio(entries))).toBe(true)
})
