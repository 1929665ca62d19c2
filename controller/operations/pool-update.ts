import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { POOL_MACHINE } from '../domain/pool.ts'
import type { PoolRow } from '../store/generated/schema.ts'
import { jsonb } from '../store/json.ts'
import { lockPool, poolById, updatePool } from '../store/pools.ts'
import { poolRegistration, sealSettings } from '../store/registrations.ts'
import { certain } from './certain.ts'
import { probe } from './probe.ts'
import { readRegistration, type Registration } from './settings.ts'
import { type By, note } from './submit.ts'
import { tellUnmatched } from './unmatched.ts'

/** What to change of a pool; absent means as it is. `details` are merged into those stored. */
export interface PoolChange {
  readonly pool: string
  readonly name?: string
  readonly tags?: readonly string[]
  readonly capacityBytes?: number
  readonly capacityIops?: number
  readonly capacityVolumes?: number
  readonly enabled?: boolean
  readonly url?: string
  readonly details?: Readonly<Record<string, string>>
  readonly qosDrift?: 'report' | 'repair'
}

/**
 * Changes a registered pool. A new url or new details must lead to the same pool of the same array, which is asked before
 * anything is stored. A promise below what is already reserved is refused with both numbers. Callers are operators.
 */
export async function changePool(by: By, change: PoolChange): Promise<void> {
  const { store } = by.system
  const before = certain(await poolById(store.reader, change.pool), 'id')
  const registration = await registrationAnew(by, before, change)
  await store.transact(async (tx) => {
    const pool = certain(await lockPool(tx, change.pool), 'id')
    checkPromise('capacitybytes', change.capacityBytes, { reserved: pool.reservedBytes, factor: pool.bytesFactor })
    checkPromise('capacityiops', change.capacityIops, { reserved: pool.reservedIops, factor: pool.iopsFactor })
    checkPromise('capacityvolumes', change.capacityVolumes, { reserved: pool.reservedVolumes, factor: 1 })
    await updatePool(tx, pool.id, {
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.tags === undefined ? {} : { tags: [...change.tags] }),
      ...(change.capacityBytes === undefined ? {} : { capacityBytes: change.capacityBytes }),
      ...(change.capacityIops === undefined ? {} : { capacityIops: change.capacityIops }),
      ...(change.capacityVolumes === undefined ? {} : { capacityVolumes: change.capacityVolumes }),
      ...(change.qosDrift === undefined ? {} : { qosDrift: change.qosDrift }),
      ...enabling(pool, change.enabled),
      ...(registration === undefined
        ? {}
        : {
            url: registration.url,
            settings: jsonb(registration.settings),
            sealedSettings: sealSettings(store, { kind: 'pool', id: pool.id }, registration.secrets),
          }),
    })
    if (change.tags !== undefined) await tellUnmatched(tx, { pool: pool.id, name: change.name ?? pool.name })
    await note(tx, by, {
      type: 'STORAGE.POOL.UPDATE',
      description: `Changed storage pool ${pool.name}`,
      resource: { kind: 'StoragePool', id: pool.id },
    })
  })
}

function enabling(pool: PoolRow, enabled: boolean | undefined): { readonly state?: string } {
  if (enabled === undefined) return {}
  return {
    state: next(POOL_MACHINE, pool.state, { event: enabled ? 'Enable' : 'Disable', of: `Storage pool ${pool.name}` }),
  }
}

function checkPromise(
  parameter: string,
  promised: number | undefined,
  ledger: { readonly reserved: number; readonly factor: number },
): void {
  if (promised === undefined) return
  if (promised <= 0) throw new Refusal('INVALID', `Invalid parameter ${parameter}: it must be above 0`)
  const least = Math.ceil(ledger.reserved / ledger.factor)
  if (promised < least)
    throw new Refusal(
      'INVALID',
      `Invalid parameter ${parameter}: ${ledger.reserved} are promised to volumes already, so it must be at least ${least}`,
    )
}

async function registrationAnew(by: By, pool: PoolRow, change: PoolChange): Promise<Registration | undefined> {
  if (change.url === undefined && change.details === undefined) return undefined
  const { plugins, store, installation } = by.system
  const plugin = plugins.storage.get(pool.provider)
  if (plugin === undefined) throw new Refusal('INVALID', `The storage provider ${pool.provider} is not loaded`)
  const registration = readRegistration(plugin, {
    url: change.url ?? pool.url,
    details: { ...keptSettings(poolRegistration(store, pool).settings, change.url), ...change.details },
  })
  const endpoint = {
    url: registration.url,
    settings: { ...registration.settings, ...registration.secrets },
    owner: installation,
  }
  const report = await probe('The array', (call) => plugins.probePool(plugin.name, endpoint, call))
  if (report.identity !== pool.identity)
    throw new Refusal('INVALID', 'Parameters url and details lead to another pool than the one that is registered')
  return registration
}

/** A url with user info brings user and password along: those that were stored give way. */
function keptSettings(
  stored: Readonly<Record<string, string>>,
  url: string | undefined,
): Readonly<Record<string, string>> {
  if (url === undefined || !/^[^/]*\/\/[^/]*@/.test(url)) return stored
  return Object.fromEntries(Object.entries(stored).filter(([name]) => name !== 'user' && name !== 'password'))
}
