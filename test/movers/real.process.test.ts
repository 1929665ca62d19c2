import { mkdirSync } from 'node:fs'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startMover } from '@moorage/mover/testing'
import { describe } from 'vitest'
import { moverCases, type MoverGround, SIZE } from './cases.ts'
import { importCases } from './import-cases.ts'

describe('the mover', () => {
  moverCases(start)
  describe('importing', () => {
    importCases(start)
  })
})

/** Reads and writes files, into archives that are directories. */
async function start(): Promise<MoverGround> {
  const daemon = await startMover()
  const directory = await mkdtemp(join(tmpdir(), 'mover-cases-'))
  let made = 0
  const next = (what: string) => {
    made += 1
    return join(directory, `${what}-${made}`)
  }
  return {
    mover: daemon.mover,
    archive: () => {
      const path = next('archive')
      mkdirSync(path)
      return {
        plugin: 'directory',
        endpoint: { url: pathToFileURL(path).href, settings: {}, owner: 'test' },
      }
    },
    end: async (runs) => {
      const path = next('end')
      const file = await open(path, 'w')
      await file.truncate(SIZE)
      for (const [offset, bytes] of runs) await file.write(bytes, 0, bytes.length, offset)
      await file.close()
      return { connection: { via: 'file', path, format: 'raw' }, bytes: () => readFile(path) }
    },
    restart: async () => {
      await daemon.kill('SIGKILL')
      await daemon.restart()
    },
    stop: async () => {
      await daemon.stop()
      await rm(directory, { recursive: true })
    },
  }
}
