import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('who kills a daemon is told once it is gone, though there is nothing else that it waits for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'processes-'))
  // A process of its own: one that runs tests never runs out of what it waits for.
  const script = `
    import { adoptOrStart } from ${JSON.stringify(join(import.meta.dirname, 'processes.ts'))}
    const log = ${JSON.stringify(join(folder, 'log'))}
    const daemon = await adoptOrStart({ command: 'sleep', args: ['600.25'], mark: '600.25', env: {}, log })
    await daemon.kill()
    console.log('gone')
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(stdout).toBe('gone\n')
  await rm(folder, { recursive: true })
})
