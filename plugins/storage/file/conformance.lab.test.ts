import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { storageConformance, type StorageSubject } from '@moorage/conformance'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { fileStorage } from './index.ts'
import { loopMount, type LoopMount } from './testing/loop-mount.ts'
import { openDisk } from './testing/open-disk.ts'

const NO_GROUPS = 'reflinks of several files cannot be taken at one instant while their writers go on'
const NO_QOS = 'a directory enforces nothing: the hypervisor does'
const NO_STATS = 'a directory counts nothing: the hypervisor does'

let mount: LoopMount

/** A directory of its own for each case, on the mount of its group. */
function subject(format: 'raw' | 'qcow2', lacks: StorageSubject['lacks']): StorageSubject {
  return {
    lacks: { groupSnapshots: NO_GROUPS, qos: NO_QOS, stats: NO_STATS, ...lacks },
    async make() {
      const url = `file://${await mkdtemp(join(mount.path, 'pool-'))}`
      const endpoint = { url, settings: { format }, owner: 'installation' }
      return {
        provider: fileStorage.open(endpoint),
        stranger: fileStorage.open({ ...endpoint, owner: 'another-installation' }),
        connect: openDisk,
        plugin: { plugin: fileStorage, endpoint },
        dispose: async () => undefined,
      }
    },
  }
}

describe('raw files on XFS with reflinks', () => {
  beforeAll(async () => {
    mount = await loopMount('xfs')
  })
  afterAll(() => mount.stop())
  storageConformance({ test, subject: subject('raw', {}) })
})

describe('qcow2 images on ext4', () => {
  const inUse = 'an image that a machine has open is QEMU’s: nobody else may take a snapshot of it'
  beforeAll(async () => {
    mount = await loopMount('ext4')
  })
  afterAll(() => mount.stop())
  storageConformance({
    test,
    subject: subject('qcow2', {
      snapshots: inUse,
      revert: 'there are no snapshots',
      changeList: 'there are no snapshots',
      clones: 'without reflinks a clone would be a copy, of no one moment while the volume is written',
    }),
  })
})
