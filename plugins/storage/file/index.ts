import type { Call, Endpoint, StoragePlugin, StorageProvider } from '@moorage/contract'
import { directoryOf, MOUNTED_SETTING, refuse } from '@moorage/files'
import { expose, MOST_WRITERS_WITH_REFLINKS, withdraw } from './access.ts'
import { newChangeList } from './change-list.ts'
import { PREALLOCATIONS, qcow2, raw } from './format.ts'
import { listInventory } from './inventory.ts'
import { type Pool, report } from './pool.ts'
import { createSnapshot, deleteSnapshot, getSnapshot, revertVolume } from './snapshots.ts'
import { createVolume, deleteVolume, getVolume, growVolume, LIMITS } from './volumes.ts'

/**
 * Pools in a directory that controllers and hosts see under one path: local, or an NFS that is mounted. The url is
 * `file:///DIRECTORY`. Every volume is a file: raw on a file system with reflinks, or an image of QEMU's on any.
 */
export const fileStorage: StoragePlugin = {
  kind: 'storage',
  name: 'file',
  title: 'Directory or mounted NFS (a file per volume)',
  contract: 1,
  shape: 'dedicated',
  managed: 'optional',
  schemes: ['file'],
  protocols: ['file'],
  settings: [
    {
      name: 'format',
      title: 'Format',
      type: 'string',
      required: false,
      oneOf: [raw.name, qcow2.name],
      description:
        'raw (if not given): with snapshots, clones and reverts, on file systems with reflinks only. qcow2: on any.',
    },
    MOUNTED_SETTING,
  ],
  offeringSettings: [
    {
      name: 'preallocation',
      title: 'Preallocation',
      type: 'string',
      required: false,
      oneOf: PREALLOCATIONS,
      description:
        'none (if not given): a volume takes space as it is written. full: all of it when it is made or grown, so that it never lacks any; a clone shares with its source what neither has written since.',
    },
  ],
  open: (endpoint) => providerOf(poolOf(endpoint)),
}

function poolOf({ url, settings, owner }: Endpoint): Pool {
  const format = settings['format'] ?? raw.name
  if (format !== raw.name && format !== qcow2.name) throw refuse('INVALID', 'format: must be raw or qcow2')
  // It is the name of a directory.
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(owner)) throw refuse('INVALID', 'owner: is no name for a directory')
  const reflinks = format === raw.name
  return { ...directoryOf(url, settings['mounted']), owner, format: reflinks ? raw : qcow2, reflinks }
}

function providerOf(pool: Pool): StorageProvider {
  const always: StorageProvider = {
    limits: pool.reflinks
      ? { ...LIMITS, withdrawal: 'ends-sessions', maxWriters: MOST_WRITERS_WITH_REFLINKS }
      : { ...LIMITS, withdrawal: 'host-must-detach' },
    pools: { report: (call) => report(pool, call) },
    volumes: {
      create: (spec, call) => createVolume(pool, spec, { call }),
      get: (id, call) => getVolume(pool, id, call),
      delete: (id, call) => deleteVolume(pool, id, call),
    },
    access: {
      expose: (exposure, call) => expose(pool, exposure, call),
      withdraw: (access, call) => withdraw(pool, access, call),
    },
    inventory: { list: (cursor, call) => listInventory(pool, cursor, call) },
    resize: { grow: (id, bytes, call) => growVolume(pool, { id, bytes }, call) },
  }
  return pool.reflinks ? { ...always, ...withReflinks(pool) } : always
}

/** What shares blocks instead of copying them. */
function withReflinks(pool: Pool) {
  return {
    snapshots: {
      create: (spec, call: Call) => createSnapshot(pool, spec, call),
      get: (id, call: Call) => getSnapshot(pool, id, call),
      delete: (id, call: Call) => deleteSnapshot(pool, id, call),
    },
    clones: { clone: (from, spec, call: Call) => createVolume(pool, spec, { from, call }) },
    revert: { revert: (volume, to, call: Call) => revertVolume(pool, { volume, to }, call) },
    changeList: { extents: newChangeList(pool) },
  } satisfies Partial<StorageProvider>
}
