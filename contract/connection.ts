/** CHAP credentials of one iSCSI account. `secret` is secret: sealed at rest, never logged, never in argv. */
export interface Chap {
  readonly user: string
  readonly secret: string
}

/** How one consumer reaches one source. Plain data; what a hypervisor cannot speak is refused before any call. */
export type Connection =
  | {
      readonly via: 'iscsi'
      /** `host:port` of the portal. */
      readonly portal: string
      readonly iqn: string
      readonly lun: number
      /** The initiator name that the target admits; the consumer must log in under it. */
      readonly initiator: string
      readonly chap?: Chap
    }
  | {
      readonly via: 'rbd'
      readonly monitors: readonly string[]
      readonly pool: string
      readonly image: string
      readonly user: string
      readonly key: string
    }
  | { readonly via: 'nbd'; readonly uri: string; readonly export: string }
  | {
      readonly via: 'file'
      /** Absolute; the same file under the same path for whoever made the connection and for the consumer. */
      readonly path: string
      readonly format: 'raw' | 'qcow2'
      /** The consumer must open it read-only: a directory that hosts share cannot keep them to it. */
      readonly readOnly?: true
    }

/** The protocol of a connection. */
export type Protocol = Connection['via']

/** Whether writes pass. */
export type AccessMode = 'rw' | 'ro'

/**
 * How consumers get to a pool at all, whatever of it they may read or write: what all of its connections have in common.
 * `iscsi`: its portals, of which each leads to it. `file`: its directory, in which the file called `mark.name` reads
 * `mark.text`, so that another directory under the same path is not mistaken for it.
 */
export type Reach =
  | { readonly via: 'iscsi'; readonly portals: readonly string[] }
  | {
      readonly via: 'file'
      readonly directory: string
      readonly mark: { readonly name: string; readonly text: string }
    }
