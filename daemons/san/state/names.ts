import type { AccessMode, Source } from '@moorage/contract'

/*
 * Names on the back end all derive from our ids, so that what is found there can be told apart and matched again.
 */

/** Every target of this SAN is named under it; what is not is foreign. */
const IQN_PREFIX = 'iqn.2026-01.cloud.moorage.san:'

/**
 * The name of what serves a source in one mode: an outlet. A volume that is read by one consumer and written by another
 * has two, because write protection belongs to a logical unit and not to its users.
 */
export function outletName(source: Source, mode: AccessMode): string {
  return source.kind === 'volume' && mode === 'ro' ? `${source.kind}-${source.id}.ro` : `${source.kind}-${source.id}`
}

/** Reads an outlet's name; `undefined` when it is none. */
export function parseOutletName(name: string): { readonly source: Source; readonly mode: AccessMode } | undefined {
  const match = /^(volume|snapshot)-([0-9a-f-]{36})(\.ro)?$/.exec(name)
  if (!match) return undefined
  const [, kind, id, readOnly] = match
  const source = { kind, id } as Source // The pattern admits these kinds only.
  if (kind === 'snapshot' && readOnly !== undefined) return undefined
  return { source, mode: kind === 'snapshot' || readOnly !== undefined ? 'ro' : 'rw' }
}

/** The iSCSI name of an outlet's target. */
export function iqnOf(outlet: string): string {
  return `${IQN_PREFIX}${outlet}`
}

/** The outlet behind an iSCSI name; `undefined` when the target is not one of ours. */
export function outletOfIqn(iqn: string): string | undefined {
  return iqn.startsWith(IQN_PREFIX) ? iqn.slice(IQN_PREFIX.length) : undefined
}

/** The id of a volume's throttle group in qemu-storage-daemon. */
export function throttleGroupOf(volume: string): string {
  return `throttle-${volume}`
}

/** The volume behind a throttle group's id; `undefined` when it is none. */
export function volumeOfThrottleGroup(group: string): string | undefined {
  return group.startsWith('throttle-') ? group.slice('throttle-'.length) : undefined
}

/** The id of the thread on which an outlet's I/O runs in qemu-storage-daemon. */
export function ioThreadOf(outlet: string): string {
  return `thread-${outlet}`
}

/** The outlet behind a thread's id; `undefined` when it is none. */
export function outletOfIoThread(thread: string): string | undefined {
  return thread.startsWith('thread-') ? thread.slice('thread-'.length) : undefined
}

/**
 * The name of an outlet's node in qemu-storage-daemon, which takes 31 characters: kind and mode in a letter (`v`olume,
 * volume `r`ead-only, `s`napshot), then the first 28 hexadecimal digits of the id.
 */
export function nodeOf(source: Source, mode: AccessMode): string {
  const letter = source.kind === 'snapshot' ? 's' : mode === 'ro' ? 'r' : 'v'
  return `${letter}-${source.id.replaceAll('-', '').slice(0, 28)}`
}

/** True for a name that `nodeOf` makes. */
export function isNodeName(name: string): boolean {
  return /^[vrs]-[0-9a-f]{28}$/.test(name)
}
