import { randomUUID } from 'node:crypto'
import type { Jobs } from '../jobs/jobs.ts'
import type { TemplateRow } from '../store/generated/schema.ts'
import { deleteSeed, insertSeed, ownerOfSeeds, seedsOf, type SeedView } from '../store/seeds.ts'
import { insertSnapshot } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { insertVolume } from '../store/volumes.ts'
import { submitInternal } from './internal.ts'
import { snapshotCreate } from './snapshot-create.ts'
import { snapshotDelete } from './snapshot-delete.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeFromSnapshot } from './volume-from-snapshot.ts'

type Submitting = Pick<Jobs<Tx>, 'submit'>

/**
 * Records the seed of a template in a pool, unless there is one, and submits what makes it: the volume, and behind it the
 * snapshot of which root disks will be clones. Answers whether it did. What fails leaves a seed that is `broken`.
 */
export async function plantSeed(
  tx: Tx,
  jobs: Submitting,
  { template, pool, zone }: { readonly template: TemplateRow; readonly pool: string; readonly zone: string },
): Promise<boolean> {
  if ((await seedsOf(tx, template.id)).some(({ poolId }) => poolId === pool)) return false
  const account = await ownerOfSeeds(tx, template)
  const [volume, snapshot] = [randomUUID(), randomUUID()]
  const common = { accountId: account, zoneId: zone, name: `template-${template.name}`, bytes: template.bytes }
  await insertVolume(tx, {
    ...common,
    id: volume,
    type: 'DATADISK',
    templateId: template.id,
    qosTier: 'none',
    qosRequested: {},
    state: 'Allocated',
    display: false,
  })
  await insertSnapshot(tx, { ...common, id: snapshot, volumeId: volume, state: 'Allocated' })
  const planted = await insertSeed(tx, {
    templateId: template.id,
    poolId: pool,
    volumeId: volume,
    snapshotId: snapshot,
  })
  // Another may have recorded it since it was looked for: then nothing of this one is to stay.
  if (!planted) throw new Error(`there is a seed of template ${template.id} in pool ${pool} already`)
  await submitInternal(tx, jobs, { head: volumeFromSnapshot, input: { volume, pool }, id: randomUUID(), account })
  await submitInternal(tx, jobs, { head: snapshotCreate, input: { snapshot }, id: randomUUID(), account })
  return true
}

/** Forgets a seed, and submits the deletion of what it consists of. Clones of it live on. */
export async function uprootSeed(tx: Tx, jobs: Submitting, seed: SeedView): Promise<void> {
  if (!(await deleteSeed(tx, seed))) return
  const account = seed.accountId
  const { snapshotId: snapshot, volumeId: volume } = seed
  if (!seed.snapshotGone)
    await submitInternal(tx, jobs, { head: snapshotDelete, input: { snapshot }, id: randomUUID(), account })
  if (!seed.volumeGone)
    await submitInternal(tx, jobs, { head: volumeDelete, input: { volume }, id: randomUUID(), account })
}
