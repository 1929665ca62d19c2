import { mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { VmId, VolumeId } from '@moorage/contract'
import { HIGHEST_GENERATION } from './names.ts'
import { admitDiskCall, admitMachineCall, type VmRecord, VmRecords } from './records.ts'

const id = '0b9f6f0e-1111-4222-8333-444455556666' as VmId // A UUID.
const volume = '5f0c1a52-6d8e-4b1c-9d6c-0a7b8c9d0e1f' as VolumeId // A UUID.
const fresh: VmRecord = { id, owner: 'o', name: 'n', cpus: 1, memoryBytes: 1, phase: 'running', fence: 0, disks: {} }
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'records-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

async function opened(): Promise<VmRecords> {
  const records = new VmRecords(join(directory, 'vms'))
  await records.load()
  return records
}

test('a record is on disk, for its owner only, before it is seen', async () => {
  const records = await opened()
  const writing = records.update(id, () => fresh)
  expect(records.get(id)).toBeUndefined()
  await writing
  expect((await opened()).get(id)).toEqual(fresh)
  const file = join(records.folder(id), 'record.json')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(fresh)
})

test('changes of one record take turns, and one that throws leaves it as it was', async () => {
  const records = await opened()
  await records.update(id, () => fresh)
  const bump = () => records.update(id, (record) => ({ ...(record ?? fresh), fence: (record?.fence ?? 0) + 1 }))
  const failing = records.update(id, () => {
    throw new Error('no')
  })
  await Promise.all([bump(), bump(), expect(failing).rejects.toThrow('no'), bump()])
  expect((await opened()).get(id)?.fence).toBe(3)
  expect(await readdir(records.folder(id))).toEqual(['record.json'])
})

test('a VM stopped long ago is forgotten, a running one never', async () => {
  const records = await opened()
  const old = new Date('2020-01-01')
  const file = join(records.folder(id), 'record.json')
  await records.update(id, () => fresh)
  await utimes(file, old, old)
  expect((await opened()).get(id)).toEqual(fresh)
  await records.update(id, (record) => ({ ...(record ?? fresh), phase: 'stopped' }))
  await utimes(file, old, old)
  expect((await opened()).get(id)).toBeUndefined()
  expect(await readdir(join(directory, 'vms'))).toEqual([])
})

test('fences of machines only grow', () => {
  const seen = admitMachineCall(fresh, 4)
  expect(seen.fence).toBe(4)
  expect(admitMachineCall(seen, 4)).toBe(seen)
  expect(() => admitMachineCall(seen, 3)).toThrow(expect.objectContaining({ code: 'FENCED', effect: 'none' }))
})

test('generations and fences of disks only grow, each volume on its own', () => {
  const seen = admitDiskCall(fresh, { volume, generation: 3 }, 9)
  expect(seen.disks).toEqual({ [volume]: { generation: 3, fence: 9 } })
  expect(admitDiskCall(seen, { volume, generation: 3 }, 9)).toBe(seen)
  expect(() => admitDiskCall(seen, { volume, generation: 2 }, 10)).toThrow(expect.objectContaining({ code: 'FENCED' }))
  expect(() => admitDiskCall(seen, { volume, generation: 4 }, 8)).toThrow(expect.objectContaining({ code: 'FENCED' }))
  expect(() => admitDiskCall({ ...seen, fence: 11 }, { volume, generation: 4 }, 10)).toThrow(
    expect.objectContaining({ code: 'FENCED' }),
  )
  const other = '6f0c1a52-6d8e-4b1c-9d6c-0a7b8c9d0e1f' as VolumeId // A UUID.
  expect(admitDiskCall(seen, { volume: other, generation: 1 }, 1).disks[volume]).toEqual({ generation: 3, fence: 9 })
  const tooHigh = { volume, generation: HIGHEST_GENERATION + 1 }
  expect(() => admitDiskCall(fresh, tooHigh, 1)).toThrow(expect.objectContaining({ code: 'INVALID', effect: 'none' }))
})
