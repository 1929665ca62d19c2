import { randomUUID } from 'node:crypto'
import { asPluginError, type HostReport } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { recorded } from '../sagas/recorded.ts'
import type { HostRow } from '../store/generated/schema.ts'
import { hostById, hostSeen } from '../store/hosts.ts'
import { hostRegistration } from '../store/registrations.ts'
import { certain } from './certain.ts'
import type { System } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

const ANSWER_MS = 5_000

/**
 * Asks a host who it is, now instead of within seconds, and records that it is Up; answers the operation. Throws `Refusal`:
 * `UNAVAILABLE` when it does not answer, `INVALID` for one that was given up (it comes back by itself) or another machine.
 */
export async function reconnectHost(by: By, host: string): Promise<string> {
  const row = certain(await hostById(by.system.store.reader, host), 'id')
  if (row.lostAt !== null)
    throw new Refusal('INVALID', `Host ${row.name} was given up: once it answers it is emptied, and then Up again`)
  const report = await reportOf(by.system, row)
  if (report.identity !== row.identity)
    throw new Refusal('INVALID', `Invalid parameter id: another machine answers at the address of host ${row.name}`)
  return await carriedOut(by, async (tx) => {
    const { version, cpus, memoryBytes } = report
    if ((await hostSeen(tx, host, { version, cpus, memoryBytes })) === undefined)
      throw new Refusal('NOT_FOUND', 'Unable to find the host that parameter id names')
    const event = {
      type: 'HOST.RECONNECT',
      description: `Host ${row.name} answers`,
      resource: { kind: 'Host', id: host },
    }
    return await submit(tx, by, { command: 'reconnectHost', head: recorded, input: { kind: 'host', id: host }, event })
  })
}

async function reportOf({ store, plugins }: System, row: HostRow): Promise<HostReport> {
  try {
    const { adapter } = await plugins.openHost(hostRegistration(store, row))
    const signal = AbortSignal.timeout(ANSWER_MS)
    const call = { key: `reconnect/${randomUUID()}`, deadline: Date.now() + ANSWER_MS, signal, fence: 0 }
    return await adapter(() => {}).hosts.report(call)
  } catch (error) {
    const { code, message } = asPluginError(error)
    throw new Refusal('UNAVAILABLE', `Host ${row.name} does not answer`, { internal: `${code}: ${message}` })
  }
}
