import type { Call, Page } from './call.ts'
import type { Connection, Protocol } from './connection.ts'
import type { Effect, FailureCode } from './errors.ts'
import type { HostId, Id, SnapshotId, VolumeId } from './ids.ts'
import type { Endpoint } from './settings.ts'
import type { Extent } from './storage.ts'

/** Id of a job of a mover, made by who asks for it: asked again under the same id, the same job goes on. */
export type MoverJobId = Id<'mover-job'>

/** How a mover gets into one archive. Held in its memory only: after a restart whoever asks again brings it again. */
export interface ArchiveAccess {
  /** Name of the archive plug-in. */
  readonly plugin: string
  readonly endpoint: Endpoint
  /** The archive's key, as `moorage-key-1.<43 characters of base64url>`: secret. Absent: the archive is not encrypted. */
  readonly key?: string
}

/** How an archive is to be made. Fixed for its life, but for the key. */
export interface ArchiveShape {
  /** Length of a chunk: a power of two from 256 KiB to 4 MiB; absent: 1 MiB. */
  readonly chunkBytes?: number
}

/** An archive as it was made. */
export interface ArchiveHead {
  /** Stable identity of what is in it. */
  readonly id: string
  readonly chunkBytes: number
  readonly encrypted: boolean
}

/** What is to be archived. The snapshot is read through `source` and never changes while the job lives. */
export interface ArchiveTask {
  readonly kind: 'archive'
  readonly id: MoverJobId
  readonly archive: ArchiveAccess
  readonly snapshot: SnapshotId
  readonly volume: VolumeId
  readonly source: Connection
  /** Size of the snapshot. Absent: as large as the source is. */
  readonly bytes?: number
  /** Epoch milliseconds of the point in time. */
  readonly takenAt: number
  /** An archived snapshot of the same volume: what is in it is not read again where `changes` say so. */
  readonly base?: SnapshotId
  /**
   * What differs from `base`, or without a base what is not zero: `ChangeListFacet.extents`, all pages. Absent: everything
   * is read and compared. Some of what is said to be unchanged is read all the same: where it differs, the job fails.
   */
  readonly changes?: readonly Extent[]
  /** Bytes per second that may be read from the source. Absent: as fast as it goes. */
  readonly bytesPerSecond?: number
}

/** How an image lies in a file: as it is, or as qcow2. */
export type ImageFormat = 'raw' | 'qcow2'

/** The digest that a file is to have. */
export interface Checksum {
  readonly algorithm: 'md5' | 'sha-1' | 'sha-224' | 'sha-256' | 'sha-384' | 'sha-512'
  /** Lower-case hexadecimal. */
  readonly value: string
}

/**
 * An image that is to be brought from a web server into an archive, where it then lies as a snapshot does. The file is
 * fetched whole and compared with its checksum before anything of it is believed. An image that refers to other files (a
 * backing file, a file of its own for data) or is encrypted is `INVALID`: it would be read with the mover's eyes.
 */
export interface ImportTask {
  readonly kind: 'import'
  readonly id: MoverJobId
  readonly archive: ArchiveAccess
  readonly snapshot: SnapshotId
  readonly volume: VolumeId
  /** Epoch milliseconds. */
  readonly takenAt: number
  /** http or https, without a user in it. */
  readonly url: string
  readonly format: ImageFormat
  readonly checksum?: Checksum
  /** Bytes that the file, and the disk in it, may have at most: more is `LIMIT`. */
  readonly most: number
  /** Bytes per second that may be fetched. Absent: as fast as it goes. */
  readonly bytesPerSecond?: number
}

/** What an archive holds already, and is to hold under another id, too. No bytes are moved. */
export interface CopyTask {
  readonly kind: 'copy'
  readonly id: MoverJobId
  readonly archive: ArchiveAccess
  /** An archived snapshot. Whoever asks sees to it that it is not taken out meanwhile. */
  readonly from: SnapshotId
  readonly snapshot: SnapshotId
  readonly volume: VolumeId
  /** Epoch milliseconds. */
  readonly takenAt: number
}

/** What is to be written back. The target is at least as large as the snapshot. */
export interface RestoreTask {
  readonly kind: 'restore'
  readonly id: MoverJobId
  readonly archive: ArchiveAccess
  readonly snapshot: SnapshotId
  readonly target: Connection
  /** True where the target reads as zeros all over: holes need then not be written. */
  readonly blank: boolean
  readonly bytesPerSecond?: number
}

/** Reads every byte of an archive, or of one snapshot in it, and checks it. Findings are the result, not a failure. */
export interface VerifyTask {
  readonly kind: 'verify'
  readonly id: MoverJobId
  readonly archive: ArchiveAccess
  readonly snapshot?: SnapshotId
}

/** Removes what no snapshot refers to. Writers may be at work meanwhile; what they may need stays until a later run. */
export interface CollectTask {
  readonly kind: 'collect'
  readonly id: MoverJobId
  readonly archive: ArchiveAccess
}

/** One piece of work for a mover. */
export type MoverTask = ArchiveTask | ImportTask | CopyTask | RestoreTask | VerifyTask | CollectTask

/** How far a job is. Bytes of the volume or of the archive, as the job reads them. */
export interface MoverProgress {
  readonly done: number
  /** Zero: not known yet. */
  readonly total: number
  /** There while an import fetches its file: the bytes are those of the file then. */
  readonly fetching?: true
  /** Milliseconds that it will take as it goes now. Absent: nobody can tell yet. */
  readonly leftMs?: number
}

/** What an archive job did. Bytes. */
export interface ArchiveResult {
  readonly kind: 'archive'
  /** Size of the snapshot. */
  readonly bytes: number
  /** Read from the source by this job, checks of what is unchanged included. */
  readonly readBytes: number
  /** Sent to the archive by this job, since it was last taken up. */
  readonly sentBytes: number
  /** Chunks that hold anything but zeros, whether or not they were in the archive before. */
  readonly dataBytes: number
  /** The length of the packs that this job has added, also before it was taken up again. */
  readonly addedBytes: number
}

/** What an import job did. Bytes, as of an archive job. */
export interface ImportResult {
  readonly kind: 'import'
  /** Size of the disk in the image. */
  readonly bytes: number
  /** Length of the file, and its SHA-256 in lower-case hexadecimal. */
  readonly fileBytes: number
  readonly sha256: string
  /** Fetched by this job, since it was last taken up. */
  readonly fetchedBytes: number
  readonly sentBytes: number
  readonly dataBytes: number
  readonly addedBytes: number
}

/** What a copy job did. */
export interface CopyResult {
  readonly kind: 'copy'
  readonly bytes: number
  readonly dataBytes: number
}

/** What a restore job did. */
export interface RestoreResult {
  readonly kind: 'restore'
  readonly bytes: number
  readonly writtenBytes: number
}

/** One thing that is wrong in an archive. */
export interface ArchiveDamage {
  /** Key of the object. */
  readonly object: string
  readonly what: string
  /** Snapshots that cannot be restored because of it, with the first offset that is concerned in each. */
  readonly snapshots: readonly { readonly snapshot: SnapshotId; readonly offset: number }[]
  /** Id of the chunk, where it is one. */
  readonly chunk?: string
}

/** What a verify job found. `damages` is cut at 1000; `damaged` is not. */
export interface VerifyResult {
  readonly kind: 'verify'
  readonly objects: number
  readonly snapshots: number
  readonly checkedBytes: number
  readonly damaged: number
  readonly damages: readonly ArchiveDamage[]
}

/** What a collect job did. */
export interface CollectResult {
  readonly kind: 'collect'
  /** Objects removed, and their bytes. */
  readonly removed: number
  readonly removedBytes: number
  /** Condemned, to be removed by a later run, when the jobs that may refer to them have ended. */
  readonly condemned: number
  /** Jobs that are waited for. */
  readonly waitsFor: readonly MoverJobId[]
}

/** What came of a job. */
export type MoverResult = ArchiveResult | ImportResult | CopyResult | RestoreResult | VerifyResult | CollectResult

/**
 * A job as its mover knows it. `paused`: the mover was restarted, or somebody has cancelled nothing and nobody has asked
 * again; the same task takes it up where it was.
 */
export type MoverJob = {
  readonly id: MoverJobId
  readonly kind: MoverTask['kind']
  readonly progress: MoverProgress
} & (
  | { readonly state: 'running' | 'paused' | 'cancelled' }
  | { readonly state: 'done'; readonly result: MoverResult }
  | {
      readonly state: 'failed'
      readonly failure: { readonly code: FailureCode; readonly message: string; readonly effect: Effect }
    }
)

/** A snapshot that an archive holds. */
export interface ArchivedSnapshot {
  readonly snapshot: SnapshotId
  readonly volume: VolumeId
  readonly bytes: number
  readonly dataBytes: number
  /** Bytes of packs that its job added. */
  readonly addedBytes: number
  readonly takenAt: number
  readonly archivedAt: number
  readonly base?: SnapshotId
}

/** Who a mover is, and what it can read and write. */
export interface MoverReport {
  readonly id: HostId
  /** Name under which it logs in to iSCSI targets. */
  readonly initiator: string
  /** Protocols of sources and targets. */
  readonly accepts: readonly Protocol[]
  /** Names of the archive plug-ins that it has. */
  readonly archives: readonly string[]
  readonly version: string
}

/**
 * A data mover: reads sources, writes archives and back. Jobs outlive the line over which they were asked for, but need to
 * be asked for again when the mover was restarted. Throws `PluginError`: `DENIED` for a key that is wrong, missing or was
 * replaced, `DAMAGED` for bytes that are not what was stored, `NOT_FOUND` for a snapshot that is not in the archive. What
 * goes wrong in a job, these included, and `DENIED` for a source or target that does not let the mover in (`UNAVAILABLE`
 * where it only hangs up), is told by the job's `failure`, never by `submit`. Of an import: `NOT_FOUND` where there is no such
 * file, `DENIED` where its server does not give it, `DAMAGED` for a file that has not the checksum, `INVALID` for what is no
 * image, or none that may be taken, `NO_SPACE` also where the mover has no room for the file, `UNSUPPORTED` for a format
 * that it cannot read.
 *
 * Fences are kept for jobs (`submit`, `cancel`, `abandon`, `forget`), for a snapshot in an archive (`submit` of what
 * archives, imports or copies it, `remove`), and for the key of an archive (`rekey`): a change that comes late is `FENCED`, also after the job
 * was forgotten or the snapshot taken out. A late `prepare` does no harm.
 */
export interface Mover {
  report(call: Call): Promise<MoverReport>
  /** Makes an archive ready, or answers how it was made. `CONFLICT`: it was made with another shape. */
  prepare(archive: ArchiveAccess, shape: ArchiveShape, call: Call): Promise<ArchiveHead>
  /**
   * Replaces the key that opens an archive: from then on `archive.key` is refused. `fresh`: what is written from now on is
   * under a data key that nobody has seen yet; what is stored keeps its own. Repeating it with the same keys succeeds.
   */
  rekey(
    archive: ArchiveAccess,
    options: { readonly newKey: string; readonly fresh: boolean },
    call: Call,
  ): Promise<ArchiveHead>
  /**
   * Starts a job, takes it up again, or answers how it stands; returns at once. `CONFLICT`: the id is known with another
   * task. A job that is `failed` or `cancelled` starts again, and sends nothing that is stored already.
   */
  submit(task: MoverTask, call: Call): Promise<MoverJob>
  /** As it stands; `undefined` when the mover does not know it. */
  job(id: MoverJobId, call: Call): Promise<MoverJob | undefined>
  /** Ends a job and resolves when it has ended; one that is done stays done. Cancelling what is not there succeeds. */
  cancel(id: MoverJobId, call: Call): Promise<void>
  /**
   * Gives a job up for good, wherever it ran: it cannot store its snapshot any more, and collections wait for it no longer;
   * they wait for one that failed, too. Giving up what has ended, or never began, succeeds and changes nothing.
   * `CONFLICT` when it was about to end and has stored its snapshot. Only where the archive's `conditionalPut` is `atomic`; else `UNSUPPORTED`.
   */
  abandon(archive: ArchiveAccess, id: MoverJobId, call: Call): Promise<void>
  /** Removes the record of a job that has ended. */
  forget(id: MoverJobId, call: Call): Promise<void>
  /** Snapshots that the archive holds, each whole. */
  snapshots(archive: ArchiveAccess, cursor: string | undefined, call: Call): Promise<Page<ArchivedSnapshot>>
  /** What the archive holds of one snapshot. */
  snapshot(archive: ArchiveAccess, id: SnapshotId, call: Call): Promise<ArchivedSnapshot | undefined>
  /** Takes a snapshot out of the archive; what it alone needed goes with the next collection. Repeating succeeds. */
  remove(archive: ArchiveAccess, id: SnapshotId, call: Call): Promise<void>
}
