import { Refusal } from '../domain/failures.ts'
import { poolChoices } from '../sagas/facts.ts'
import { plantSeed } from '../sagas/seeding.ts'
import { poolsOfZone } from '../store/pools.ts'
import { templateNow, zoneNow } from '../store/queries/places.ts'
import { certain } from './certain.ts'
import { isDisk } from './root-disk.ts'
import { type By, carriedOut, note } from './submit.ts'

/** Where root disks of a template are to be clones. `pool` absent: in every pool of the zone that can. */
export interface PrepareRequest {
  readonly template: string
  readonly zone: string
  readonly pool?: string
}

/**
 * Submits making seeds of a template, where there is none yet. Refuses, naming the parameter: a template that is no disk or not
 * Ready, and a pool that is not of the zone, not in service, or makes no clones.
 */
export async function prepareTemplate(by: By, request: PrepareRequest): Promise<void> {
  const { system } = by
  await carriedOut(by, async (tx) => {
    const zone = certain(await zoneNow(tx, request.zone), 'zoneid')
    const template = certain(await templateNow(tx, request.template), 'templateid')
    if (!isDisk(template) || template.state !== 'Ready')
      throw new Refusal('INVALID', 'Invalid parameter templateid: it must be a template that is a disk, and Ready')
    const rows = await poolsOfZone(tx, zone.id)
    const asked = rows.filter(({ id }) => request.pool === undefined || id === request.pool)
    const facts = await poolChoices(system, asked)
    const able = facts.filter(({ state, can }) => state === 'Up' && can.has('snapshots') && can.has('clones'))
    if (request.pool !== undefined && able.length === 0)
      throw new Refusal(
        'INVALID',
        'Invalid parameter storageid: it must be a pool of the zone that is Up and makes snapshots and clones',
      )
    for (const { id: pool, zoneId } of able) await plantSeed(tx, system.jobs, { template, pool, zone: zoneId })
    await note(tx, by, {
      type: 'TEMPLATE.PREPARE',
      description: `Preparing template ${template.name} in ${able.length} storage pools`,
      account: template.accountId,
      resource: { kind: 'Template', id: template.id },
    })
  })
}
