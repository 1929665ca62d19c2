import { PluginError } from '@moorage/contract'
import { ARRAY_QOS, ensureArray } from './array/array.ts'
import { removeExposure } from './array/access.ts'
import { removeSnapshot, type SnapshotRow } from './array/snapshots.ts'
import { findVolume, removeVolume, setQos } from './array/volumes.ts'
import { type Fields, label, oneOf, text, uuid } from './check.ts'
import { readQos } from './qos.ts'
import type { Store } from './store.ts'

/**
 * What somebody does at the array's own console, behind the back of whoever manages it: no fence is asked or raised, no
 * use is respected. `console/set-qos` {array, volume, qos} changes what is enforced; `console/delete`
 * {array, kind: 'volume' | 'snapshot', id} takes an object away with its access and sessions.
 */
export const CONSOLE_METHODS: Readonly<Record<string, (store: Store, args: Fields) => unknown>> = {
  'console/set-qos': (store, args) => {
    const array = ensureArray(store, { name: label(args['array'], 'array') })
    const volume = findVolume(store, array.name, uuid(args['volume'], 'volume'))
    if (!volume) throw missing(args['volume'])
    setQos(store, volume, readQos(args['qos'], 'qos', ARRAY_QOS))
  },
  'console/delete': (store, args) => {
    const array = label(args['array'], 'array')
    const kind = oneOf(args['kind'], 'kind', ['volume', 'snapshot'])
    const id = uuid(args['id'], 'id')
    const sql = 'SELECT array, key FROM exposures WHERE array = ? AND sourceKind = ? AND sourceId = ?'
    for (const row of store.all<{ array: string; key: string }>(sql, array, kind, id)) removeExposure(store, row)
    if (kind === 'volume') {
      const volume = findVolume(store, array, id)
      if (!volume) throw missing(id)
      removeVolume(store, volume)
      return
    }
    const snapshot = store.one<SnapshotRow>('SELECT * FROM snapshots WHERE array = ? AND id = ?', array, id)
    if (!snapshot) throw missing(id)
    removeSnapshot(store, snapshot)
  },
}

function missing(id: unknown): PluginError {
  return new PluginError('NOT_FOUND', `no object ${text(id, 'id')}`, 'none')
}
