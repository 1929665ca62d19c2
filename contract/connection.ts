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
