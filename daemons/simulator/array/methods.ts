import { type Fields, fields, text, uuid } from '../check.ts'
import type { Claim } from '../fences.ts'
import { type ArrayRequest, readSource, reportPool, sourceKey } from './array.ts'
import { expose, withdraw } from './access.ts'
import { abortGroup, commitGroup, prepareGroup } from './groups.ts'
import { listInventory, removeStructure } from './inventory.ts'
import { changeList, createSnapshot, deleteSnapshot, getSnapshot, revertVolume } from './snapshots.ts'
import {
  applyQos,
  cloneVolume,
  createVolume,
  deleteVolume,
  getVolume,
  growVolume,
  readAppliedQos,
  readStats,
} from './volumes.ts'

/** One method of an array: what it answers, and for a change the object whose fence it checks and raises. */
export interface ArrayMethod {
  readonly run: (request: ArrayRequest) => unknown
  readonly object?: (args: Fields) => string
}

const specVolume = (args: Fields) => volumeKey(fields(args['spec'], 'spec')['id'], 'spec.id')
const specSnapshot = (args: Fields) => snapshotKey(fields(args['spec'], 'spec')['id'], 'spec.id')
const volume = (args: Fields) => volumeKey(args['id'], 'id')
const snapshot = (args: Fields) => snapshotKey(args['id'], 'id')
const group = (args: Fields) => `group/${text(args['group'], 'group')}`
const exposed = (args: Fields) => sourceIn(args['exposure'], 'exposure')
const withdrawn = (args: Fields) => sourceIn(args['access'], 'access')

/**
 * The methods of every array, named as in the wire library. One fence per volume, per snapshot and per group: every
 * change of an object checks and raises it.
 */
export const ARRAY_METHODS: Readonly<Record<string, ArrayMethod>> = {
  'pools/report': { run: reportPool },
  'volumes/create': { run: createVolume, object: specVolume },
  'volumes/get': { run: getVolume },
  'volumes/delete': { run: deleteVolume, object: volume },
  'access/expose': { run: expose, object: exposed },
  'access/withdraw': { run: withdraw, object: withdrawn },
  'inventory/list': { run: listInventory },
  'inventory/remove': { run: removeStructure },
  'snapshots/create': { run: createSnapshot, object: specSnapshot },
  'snapshots/get': { run: getSnapshot },
  'snapshots/delete': { run: deleteSnapshot, object: snapshot },
  'group-snapshots/prepare': { run: prepareGroup, object: group },
  'group-snapshots/commit': { run: commitGroup, object: group },
  'group-snapshots/abort': { run: abortGroup, object: group },
  'clones/clone': { run: cloneVolume, object: specVolume },
  'resize/grow': { run: growVolume, object: volume },
  'qos/apply': { run: applyQos, object: volume },
  'qos/read': { run: readAppliedQos },
  'revert/revert': { run: revertVolume, object: (args) => volumeKey(args['volume'], 'volume') },
  'change-list/extents': { run: changeList },
  'stats/read': { run: readStats },
}

/** What a call of a method claims; nothing for a reading one. Objects of different owners never fence each other. */
export function arrayClaims(method: ArrayMethod, request: ArrayRequest): readonly Claim[] {
  if (!method.object) return []
  const object = `array/${request.array.name}/${request.owner}/${method.object(request.args)}`
  return [{ object, number: request.call.fence, raises: true }]
}

function volumeKey(id: unknown, name: string): string {
  return sourceKey({ kind: 'volume', id: uuid(id, name) })
}

function snapshotKey(id: unknown, name: string): string {
  return sourceKey({ kind: 'snapshot', id: uuid(id, name) })
}

function sourceIn(parent: unknown, name: string): string {
  return sourceKey(readSource(fields(parent, name)['source'], `${name}.source`))
}
