import type { AppliedQos, SnapshotId, Source, VolumeId } from '@moorage/contract'
import type { Database } from './database.ts'

/** Which way an object was going: what is not `ready` was interrupted, or is being worked on. */
export type ObjectState = 'creating' | 'ready' | 'deleting'

/** A volume as it is remembered. */
export interface VolumeRecord {
  readonly id: VolumeId
  readonly owner: string
  readonly state: ObjectState
  readonly bytes: number
  /** Size as first asked for. */
  readonly askedBytes: number
  /** What its first bytes came from; absent for an empty volume. */
  readonly origin?: Source
  readonly qos: AppliedQos
  /** Epoch milliseconds. */
  readonly createdAt: number
}

interface VolumeRow {
  readonly id: VolumeId
  readonly owner: string
  readonly state: ObjectState
  readonly bytes: number
  readonly asked_bytes: number
  readonly origin: string
  readonly qos: string
  readonly created_at: number
}

/** A snapshot as it is remembered; size and time are read from its file. */
export interface SnapshotRecord {
  readonly id: SnapshotId
  readonly owner: string
  readonly state: ObjectState
  readonly volume: VolumeId
}

/** Rows of volumes and snapshots. Every method is one statement; callers join them into transactions. */
export class Objects {
  readonly #database: Database
  constructor(database: Database) {
    this.#database = database
  }

  volume(id: VolumeId): VolumeRecord | undefined {
    const row = this.#database.one<VolumeRow>('SELECT * FROM volumes WHERE id = ?', id)
    return row && volumeOf(row)
  }

  volumes(): readonly VolumeRecord[] {
    return this.#database.all<VolumeRow>('SELECT * FROM volumes ORDER BY id').map(volumeOf)
  }

  addVolume(record: VolumeRecord): void {
    const { id, owner, state, bytes, askedBytes, origin, qos, createdAt } = record
    const from = origin === undefined ? '' : `${origin.kind}/${origin.id}`
    const sql = 'INSERT INTO volumes VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
    this.#database.run(sql, id, owner, state, bytes, askedBytes, from, JSON.stringify(qos), createdAt)
  }

  setVolumeState(id: VolumeId, state: ObjectState): void {
    this.#database.run('UPDATE volumes SET state = ? WHERE id = ?', state, id)
  }

  setVolumeBytes(id: VolumeId, bytes: number): void {
    this.#database.run('UPDATE volumes SET bytes = ? WHERE id = ?', bytes, id)
  }

  setVolumeQos(id: VolumeId, qos: AppliedQos): void {
    this.#database.run('UPDATE volumes SET qos = ? WHERE id = ?', JSON.stringify(qos), id)
  }

  /** Forgets the volume and its counters; its fence stays. */
  removeVolume(id: VolumeId): void {
    this.#database.run('DELETE FROM volumes WHERE id = ?', id)
    this.#database.run('DELETE FROM counters WHERE volume = ?', id)
  }

  snapshot(id: SnapshotId): SnapshotRecord | undefined {
    return this.#database.one<SnapshotRecord>('SELECT * FROM snapshots WHERE id = ?', id)
  }

  snapshots(): readonly SnapshotRecord[] {
    return this.#database.all<SnapshotRecord>('SELECT * FROM snapshots ORDER BY id')
  }

  addSnapshot({ id, owner, state, volume }: SnapshotRecord): void {
    this.#database.run('INSERT INTO snapshots VALUES (?, ?, ?, ?)', id, owner, state, volume)
  }

  setSnapshotState(id: SnapshotId, state: ObjectState): void {
    this.#database.run('UPDATE snapshots SET state = ? WHERE id = ?', state, id)
  }

  removeSnapshot(id: SnapshotId): void {
    this.#database.run('DELETE FROM snapshots WHERE id = ?', id)
  }
}

function volumeOf({ asked_bytes, created_at, origin, qos, ...rest }: VolumeRow): VolumeRecord {
  const [kind, id] = origin.split('/')
  const from = kind === '' ? {} : { origin: { kind, id } as Source } // Written by `addVolume` from a source.
  const fitted = JSON.parse(qos) as AppliedQos // Written by `addVolume`.
  return { ...rest, askedBytes: asked_bytes, createdAt: created_at, qos: fitted, ...from }
}
