import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type TestContext } from 'vitest'
import type { Entity } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { adminKeys, controllerProcess, type ControllerProcess } from '../support/controller.ts'

/** The packages of Debian's Python. */
export const PACKAGES = '/usr/lib/python3/dist-packages'
/** The interpreter that they are for. */
export const PYTHON = '/usr/bin/python3'

/** A simulated cloud that clients are played against, as a process of its own. */
export interface CompatCloud {
  readonly controller: ControllerProcess
  /** A directory of the test's own. */
  readonly home: string
  readonly keys: { readonly apiKey: string; readonly secretKey: string }
  /** Fails where a client left something behind: it would be in the way of the next one. */
  nothingLeft(): Promise<void>
  stop(): Promise<void>
}

/** Starts one; seconds. */
export async function startCompatCloud(): Promise<CompatCloud> {
  const home = mkdtempSync(join(tmpdir(), 'moorage-compat-'))
  const controller = await controllerProcess({ parent: home, args: ['--seed', 'simulator'] })
  const { api, dir } = controller
  return {
    controller,
    home,
    keys: adminKeys(dir),
    async nothingLeft() {
      for (const list of ['listVirtualMachines', 'listVolumes', 'listSnapshots'])
        expect({ list, left: namesOf(await api.list(list, { listall: true })) }).toEqual({ list, left: [] })
      await api.run('runCensus')
      const found = await api.list('listCensusFindings', { state: 'open' })
      expect(found.filter(({ kind }) => kind !== 'foreign')).toEqual([])
    },
    async stop() {
      await controller.stop()
      await stopDaemon(join(dir, 'simulator'), 10_000)
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Skips a test whose client is not there. */
export function needs(context: TestContext, client: { readonly path: string; readonly from: string }): void {
  if (!existsSync(client.path)) context.skip(`Debian's ${client.from} is not installed: tools/install.sh`)
}

/** The names of what was listed. */
export function namesOf(items: readonly Entity[]): readonly unknown[] {
  return items.map(({ name }) => name)
}

/** Throws what a program that failed said: it is more than the message of its error. */
export function shown(error: Error & { readonly stdout?: string; readonly stderr?: string }): never {
  throw new Error(`${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`, { cause: error })
}
