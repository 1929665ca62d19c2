import type { ArchivePlugin, ArchiveStore, Endpoint, Loaded } from '@moorage/contract'

/**
 * What the kit can use beside the store. `plugin`: the plug-in itself. `peek`: objects can be read without going through
 * the store.
 */
export type ArchiveAbility = 'plugin' | 'peek'

/** One store, ready to be tried: with few objects on a page of its listing, or a page is not tried. */
export interface ArchiveBench {
  readonly store: ArchiveStore
  /** The plug-in, and the endpoint under which `store` was opened. */
  readonly plugin?: { readonly plugin: Loaded<ArchivePlugin>; readonly endpoint: Endpoint }
  /** What the back end holds under a key, read by whatever is not the plug-in; `undefined` when it holds nothing. */
  readonly peek?: (key: string) => Promise<Uint8Array | undefined>
  /** Called after each case, failed or not. */
  dispose(): Promise<void>
}

/** What the kit is run against. */
export interface ArchiveSubject {
  /**
   * A bench per case. Several may share one back end as long as cases run one after the other; objects that are there
   * before a case begins are left alone.
   */
  make(): Promise<ArchiveBench>
  /** What it does without, and why. */
  readonly lacks: Readonly<Partial<Record<ArchiveAbility, string>>>
}
