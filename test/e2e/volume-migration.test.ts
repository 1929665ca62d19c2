import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { textOf } from '../../controller/testing-client.ts'
import { loopMount, type LoopMount } from '../../plugins/storage/file/testing/loop-mount.ts'
import { realCloud, type RealCloud } from '../support/real-cloud.ts'

const BLOCK_BYTES = 4096
let cloud: RealCloud
let mount: LoopMount

beforeAll(async () => {
  mount = await loopMount('xfs')
  cloud = await realCloud({ iops: 20_000, guest: true })
})
afterAll(async () => {
  await cloud.stop()
  await mount.stop()
})

/** Registers a directory as a pool; answers its id and where the files of its volumes are. */
async function filePool(name: string) {
  const root = join(await mkdtemp(join(mount.path, 'pool-')), name)
  await mkdir(root)
  const { api, system } = cloud.controller
  const params = { name, provider: 'file', scope: 'zone', hypervisor: 'KVM', url: `file://${root}`, managed: true }
  const id = textOf(await api.run('createStoragePool', { ...params, zoneid: cloud.zone }), 'id')
  return { id, fileOf: (volume: string) => join(root, system.installation, 'volumes', `${volume}.raw`) }
}

/** How many blocks from the start of the file hold their own number. */
async function numberedBlocks(path: string): Promise<number> {
  const file = await open(path)
  try {
    const block = Buffer.alloc(BLOCK_BYTES)
    for (let number = 0; ; number += 1) {
      const { bytesRead } = await file.read(block, 0, block.length, number * block.length)
      if (bytesRead < block.length || block.toString('latin1').trim() !== String(number)) return number
    }
  } finally {
    await file.close()
  }
}

async function allocated(pool: string): Promise<unknown> {
  return (await cloud.controller.api.list('listStoragePools', { id: pool }))[0]?.['disksizeallocated']
}

test('a volume moves from the SAN to files under a guest that writes all the while, and on to other files at rest', async () => {
  const { controller, guest, pool: san, vm } = cloud
  const { api } = controller
  const [files, others] = [await filePool('files'), await filePool('others')]
  const id = await cloud.disk({})
  const device = await guest.disk(id.replaceAll('-', '').slice(0, 20))
  await guest.sh(`sequence start /dev/${device}`)
  const acked = async () => Number(await guest.sh('sequence acked'))
  await expect.poll(acked, { timeout: 30_000 }).toBeGreaterThan(10)

  expect(await api.refuses('migrateVolume', { volumeid: id, storageid: files.id })).toMatch(/^431 .*livemigrate=true/)
  const moved = await api.run('migrateVolume', { volumeid: id, storageid: files.id, livemigrate: true })
  expect(moved).toMatchObject({ id, state: 'Ready', storageid: files.id, virtualmachineid: vm })
  const before = await acked()
  await expect.poll(acked, { timeout: 30_000 }).toBeGreaterThan(before + 10)
  const acknowledged = Number(await guest.sh('sequence stop'))
  // Every write that the guest was told of is in the file, from the first one, made on the SAN, to the last, made long after.
  expect(await numberedBlocks(files.fileOf(id))).toBeGreaterThanOrEqual(acknowledged)
  expect(await cloud.behindUs('san', 'inventory/list', {})).toMatchObject({ items: [{ kind: 'volume', id }] })
  expect([await allocated(san), await allocated(files.id)]).toEqual([1024 ** 3, 1024 ** 3])

  await api.run('detachVolume', { id })
  await api.run('migrateVolume', { volumeid: id, storageid: others.id })
  await promisify(execFile)('cmp', [files.fileOf(id), others.fileOf(id)])
  expect(await api.list('listVolumes', { id })).toMatchObject([{ id, storageid: others.id, state: 'Ready' }])
  expect(await api.list('listCensusFindings', { state: 'recycled' })).toMatchObject([
    { class: 'duplicated-volume' },
    { class: 'duplicated-volume' },
  ])
  expect(await api.refuses('migrateVolume', { volumeid: id, storageid: others.id })).toMatch(/^431 .*already/)
}, 180_000)
