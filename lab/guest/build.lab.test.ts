import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildGuest } from './build.ts'

test('the guest is built once, the same every time, and leaves nothing beside it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guest-'))
  const [one, two] = [join(directory, 'one'), join(directory, 'two')]
  try {
    expect(await buildGuest(one)).toEqual({ built: true })
    const { mtimeMs } = await stat(join(one, 'vmlinux'))
    expect(await buildGuest(one)).toEqual({ built: false })
    expect((await stat(join(one, 'vmlinux'))).mtimeMs).toBe(mtimeMs)
    await buildGuest(two)
    for (const file of ['vmlinux', 'initrd.cpio', 'recipe']) {
      expect((await readFile(join(one, file))).equals(await readFile(join(two, file)))).toBe(true)
    }
    expect((await readdir(directory)).sort()).toEqual(['one', 'two'])
  } finally {
    await rm(directory, { recursive: true })
  }
})
