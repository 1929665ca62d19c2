import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@moorage/wire/testing'
import type { Api } from '../../lab/api.ts'
import { layoutAt, type Layout } from '../../lab/layout.ts'
import { groundOf } from '../../lab/parts.ts'
import { adminApi, buildGuest, startController, startHostd, startSan, stopAll } from '../../lab/stack.ts'
import { SILENT } from '../../lab/terminal.ts'
import { type Cloud, prepareGround } from '../../lab/tour/ground.ts'

/** A lab of its own for one test file: real SAN, real QEMU, controller and database, each a process of its own. */
export interface RealLab {
  readonly at: Layout
  readonly api: Api
  readonly cloud: Cloud
  /** Ends and removes all of it. Throws when something would not end. */
  stop(): Promise<void>
}

/** Starts a lab on ports of its own. `guest`: with a Linux in the VM; else a machine without one, which starts in no time. */
export async function realLab(kind: 'guest' | 'guestless'): Promise<RealLab> {
  const root = mkdtempSync(join(tmpdir(), 'moorage-lab-'))
  const ports = {
    api: await freePort(),
    integration: await freePort(),
    san: await freePort(),
    hostd: await freePort(),
    portal: await freePort(),
    mover: await freePort(),
  }
  const at = layoutAt(root, ports)
  if (kind === 'guest') await buildGuest(at, SILENT)
  await Promise.all([startSan(at, SILENT), startHostd(at, SILENT), startController(at, SILENT)])
  const api = adminApi(at)
  const cloud = await prepareGround(api, groundOf(at, kind === 'guest' ? 'guest' : undefined), SILENT)
  return {
    at,
    api,
    cloud,
    async stop() {
      const killed = (await stopAll(at)).filter((line) => line.endsWith('killed'))
      if (killed.length > 0) throw new Error(`did not end when asked: ${killed.join(', ')}`)
      rmSync(root, { recursive: true, force: true })
    },
  }
}
