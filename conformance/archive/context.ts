import assert from 'node:assert/strict'
import type { ArchiveObject, ArchiveStore } from '@moorage/contract'
import type { Audit } from '../audit.ts'
import { CaseCalls } from '../calls.ts'
import { allPages, newId, pattern, sameBytes } from '../check.ts'
import type { ConformanceCase } from '../runner.ts'
import type { ArchiveAbility, ArchiveBench } from './subject.ts'

/** One promise of a store. */
export type ArchiveCase = ConformanceCase<ArchiveAbility, ArchiveContext>

/** What a case works with. Objects stored under keys that it gave out are taken away after the case. */
export class ArchiveContext extends CaseCalls {
  /** The store under test, watched. */
  readonly store: ArchiveStore
  readonly audit: Audit
  readonly bench: ArchiveBench
  /** What all keys of this case begin with. */
  readonly root: string = `kit-${newId().slice(0, 8)}/`

  constructor(bench: ArchiveBench, audit: Audit) {
    super()
    this.bench = bench
    this.audit = audit
    this.store = audit.watch(bench.store)
    for (const setting of bench.plugin?.plugin.settings ?? []) {
      if (setting.type === 'secret') audit.keepSecret(bench.plugin?.endpoint.settings[setting.name] ?? '')
    }
  }

  /** The plug-in with its endpoint; only for cases that need `plugin`. */
  get opened(): NonNullable<ArchiveBench['plugin']> {
    assert.ok(this.bench.plugin, 'the bench has no plug-in')
    return this.bench.plugin
  }

  /** What another process opens: the same store, in an object of its own; only for cases that need `plugin`. */
  async another(): Promise<ArchiveStore> {
    const { plugin, endpoint } = this.opened
    return this.audit.watch(await plugin.open(endpoint))
  }

  /** A key of this case, whose object is deleted after it, whether or not it comes into being. */
  key(name: string): string {
    const key = `${this.root}${name}`
    // Whether deleting works is what some of the cases are about.
    this.defer(() => this.bench.store.delete(key, this.call()).catch(() => undefined))
    return key
  }

  /** Stores bytes that follow from the seed, under a key of this case; answers the key. */
  async stored(name: string, options: { readonly seed?: number; readonly bytes?: number } = {}): Promise<string> {
    const key = this.key(name)
    assert.equal(await this.store.put(key, pattern(options.seed ?? 1, options.bytes ?? 100), this.call()), 'stored')
    return key
  }

  /** Fails unless the object is what `stored` stores. */
  async holds(key: string, options: { readonly seed?: number; readonly bytes?: number } = {}): Promise<void> {
    const seen = await this.store.get(key, undefined, this.call())
    assert.ok(seen, `${key} is not there`)
    sameBytes(seen, pattern(options.seed ?? 1, options.bytes ?? 100), key)
  }

  /** Everything that is listed under a prefix, by default all that this case stored. */
  async listed(prefix: string = this.root): Promise<readonly ArchiveObject[]> {
    return allPages((cursor) => this.store.list(prefix, cursor, this.call()))
  }

  /** The keys that are listed under a prefix. */
  async keys(prefix: string = this.root): Promise<readonly string[]> {
    return (await this.listed(prefix)).map(({ key }) => key)
  }
}
