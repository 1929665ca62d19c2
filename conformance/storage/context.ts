import assert from 'node:assert/strict'
import type {
  AccessMode,
  BackendSnapshot,
  BackendVolume,
  Connection,
  Consumer,
  Exposure,
  InventoryItem,
  Qos,
  SnapshotId,
  Source,
  StorageCapability,
  StorageProvider,
  VolumeId,
  VolumeSpec,
} from '@moorage/contract'
import type { Audit } from '../audit.ts'
import { CaseCalls } from '../calls.ts'
import { allPages, newId, pattern, sameBytes } from '../check.ts'
import { type ConformanceCase, NotApplicable } from '../runner.ts'
import type { OpenDisk, StorageAbility, StorageBench } from './subject.ts'

/** One promise of a storage provider. */
export type StorageCase = ConformanceCase<StorageAbility, StorageContext>

/** How a case wants an exposure other than usual: for a new host, for writing unless it is a snapshot's. */
export interface ExposureOptions {
  readonly mode?: AccessMode
  readonly account?: string
  readonly consumer?: Consumer
}

/** The host of an id: its name follows from the id, and is one that any host could have, so that nobody behaves for us. */
export function consumerOf(id: Consumer['id']): Consumer {
  return { kind: 'host', id, initiator: `iqn.1993-08.org.debian:01:${id.replaceAll('-', '').slice(0, 12)}` }
}

/**
 * What a case works with. Objects made through it are taken away after the case, in reverse order; whatever of ours is
 * still on the back end then is a leak and fails the case.
 */
export class StorageContext extends CaseCalls {
  /** The provider under test, watched. */
  readonly provider: StorageProvider
  readonly audit: Audit
  readonly bench: StorageBench
  readonly #account: string = newId<'account'>()

  constructor(bench: StorageBench, audit: Audit) {
    super()
    this.bench = bench
    this.audit = audit
    this.provider = audit.watch(bench.provider)
    for (const setting of bench.plugin?.plugin.settings ?? []) {
      if (setting.type === 'secret') audit.keepSecret(bench.plugin?.endpoint.settings[setting.name] ?? '')
    }
  }

  /** The plug-in with its endpoint; only for cases that need `plugin`. */
  get opened(): NonNullable<StorageBench['plugin']> {
    assert.ok(this.bench.plugin, 'the bench has no plug-in')
    return this.bench.plugin
  }

  /** What another controller opens: the same pool, in a provider of its own; only for cases that need `plugin`. */
  async another(): Promise<StorageProvider> {
    const { plugin, endpoint } = this.opened
    return this.audit.watch(await plugin.open(endpoint))
  }

  /** What a case asks for with an id: no QoS, no settings. */
  spec(id: VolumeId, bytes: number = this.bytes): VolumeSpec {
    return { id, bytes, qos: {}, settings: {} }
  }

  /** Fails as not applicable where two sessions cannot write to one source at a time. */
  needTwoWriters(): void {
    const { maxWriters, withdrawal } = this.provider.limits
    if (maxWriters === 1) throw new NotApplicable('a source has one writer')
    if (withdrawal === 'host-must-detach') throw new NotApplicable('hosts see to it that one of them writes')
  }

  /** Whether the volume is there. */
  async has(id: VolumeId): Promise<boolean> {
    return (await this.provider.volumes.get(id, this.call())) !== undefined
  }

  /** Exposures of ours that the inventory lists, as `kind id consumer`. */
  async exposures(): Promise<readonly string[]> {
    const items = await this.ours()
    return items.flatMap((item) =>
      item.kind === 'exposure' ? [`${item.source.kind} ${item.source.id} ${item.consumer}`] : [],
    )
  }

  /** Ids of our snapshots that the inventory lists. */
  async snapshotIds(): Promise<readonly SnapshotId[]> {
    return (await this.ours()).flatMap((item) => (item.kind === 'snapshot' ? [item.id] : []))
  }

  /** Bytes of a source, through an exposure of its own. */
  async bytesOf(source: Source, at: { readonly offset: number; readonly length: number }): Promise<Uint8Array> {
    // A second writer may be one too many for the array.
    const mode = source.kind === 'volume' && this.provider.limits.maxWriters === undefined ? 'rw' : 'ro'
    return this.withDisk(source, (disk) => readAll(disk, at), mode)
  }

  /** Writes a source of the usual size from its first byte to its last. */
  async cover(source: Source, seed: number): Promise<void> {
    const all = pattern(seed, this.bytes)
    await this.withDisk(source, async (disk) => {
      for (let at = 0; at < all.length; at += READ_BYTES) await disk.write(at, all.subarray(at, at + READ_BYTES))
    })
  }

  /** Fails unless a source holds what `cover` wrote. */
  async holds(source: Source, seed: number, what: string): Promise<void> {
    sameBytes(await this.bytesOf(source, { offset: 0, length: this.bytes }), pattern(seed, this.bytes), what)
  }

  /** A small size that the provider accepts as it is: a multiple of its granularity, 2 MiB or a little more. */
  get bytes(): number {
    const { minVolumeBytes, granularityBytes } = this.provider.limits
    return Math.ceil(Math.max(minVolumeBytes, 2 * 1024 * 1024) / granularityBytes) * granularityBytes
  }

  /** The second provider on the same pool; only for cases that need `stranger`. */
  get stranger(): StorageProvider {
    assert.ok(this.bench.stranger, 'the bench has no stranger')
    return this.audit.watch(this.bench.stranger)
  }

  /** A facet; only for cases that need it. */
  facet<Name extends StorageCapability>(name: Name): NonNullable<StorageProvider[Name]> {
    const facet = this.provider[name]
    assert.ok(facet, `the provider has no facet ${name}`)
    return facet
  }

  /** An id whose volume is deleted after the case, whether or not it comes into being. */
  volumeId(): VolumeId {
    const id: VolumeId = newId()
    this.defer(() => this.provider.volumes.delete(id, this.call()))
    return id
  }

  /** An id whose snapshot is deleted after the case, whether or not it comes into being. */
  snapshotId(): SnapshotId {
    const id: SnapshotId = newId()
    this.defer(() => this.facet('snapshots').delete(id, this.call()))
    return id
  }

  /** A new volume. */
  async volume(options: { readonly bytes?: number; readonly qos?: Qos } = {}): Promise<BackendVolume> {
    const spec = { id: this.volumeId(), bytes: options.bytes ?? this.bytes, qos: options.qos ?? {}, settings: {} }
    return this.provider.volumes.create(spec, this.call())
  }

  /** A new snapshot. */
  async snapshot(volume: VolumeId): Promise<BackendSnapshot> {
    return this.facet('snapshots').create({ id: this.snapshotId(), volume }, this.call())
  }

  /** A host that has never been seen before. */
  consumer(): Consumer {
    return consumerOf(newId())
  }

  /** An exposure that is withdrawn after the case, whether or not it comes into being. */
  exposure(source: Source, options: ExposureOptions = {}): Exposure {
    const { consumer = this.consumer() } = options
    const { mode = source.kind === 'snapshot' ? 'ro' : 'rw', account = this.#account } = options
    this.defer(() => this.provider.access.withdraw({ source, consumer }, this.call()))
    return { source, consumer, mode, account }
  }

  /** A source exposed to a new consumer. */
  async exposed(
    source: Source,
    options: ExposureOptions = {},
  ): Promise<Exposure & { readonly connection: Connection }> {
    const exposure = this.exposure(source, options)
    return { ...exposure, connection: await this.provider.access.expose(exposure, this.call()) }
  }

  /** Opens a connection; closed after the case. Rejects when the back end does not let it in. */
  async connect(connection: Connection): Promise<OpenDisk> {
    assert.ok(this.bench.connect, 'the bench cannot connect')
    const disk = await this.bench.connect(connection)
    this.defer(() => disk.close())
    return disk
  }

  /** Exposes a source, runs `work` on its bytes, and withdraws again. */
  async withDisk<Result>(
    source: Source,
    work: (disk: OpenDisk) => Promise<Result>,
    mode: AccessMode = source.kind === 'snapshot' ? 'ro' : 'rw',
  ): Promise<Result> {
    const access = await this.exposed(source, { mode })
    const disk = await this.connect(access.connection)
    const result = await work(disk)
    await disk.close()
    await this.provider.access.withdraw(access, this.call())
    return result
  }

  /** Everything on the back end that carries our mark. */
  async ours(): Promise<readonly Extract<InventoryItem, { readonly owner: 'ours' }>[]> {
    const items = await allPages((cursor) => this.provider.inventory.list(cursor, this.call()))
    return items.filter((item) => item.owner === 'ours')
  }
}

const READ_BYTES = 256 * 1024

/** Reads as much as is asked for, in pieces that every initiator takes. */
async function readAll(disk: OpenDisk, at: { readonly offset: number; readonly length: number }): Promise<Uint8Array> {
  const result = new Uint8Array(at.length)
  for (let done = 0; done < at.length; done += READ_BYTES) {
    result.set(await disk.read(at.offset + done, Math.min(READ_BYTES, at.length - done)), done)
  }
  return result
}
