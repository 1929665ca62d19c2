import assert from 'node:assert/strict'
import {
  type BackendVm,
  type DiskSpec,
  type HypervisorAdapter,
  type HypervisorCapability,
  type HypervisorInventoryItem,
  serialOf,
  type VmId,
  type VmSpec,
} from '@moorage/contract'
import type { Audit } from '../audit.ts'
import { CaseCalls } from '../calls.ts'
import { allPages, newId } from '../check.ts'
import type { ConformanceCase } from '../runner.ts'
import type { GuestIo, HypervisorAbility, HypervisorBench, HypervisorSubject, TestDisk } from './subject.ts'

/** One promise of a hypervisor adapter. */
export type HypervisorCase = ConformanceCase<HypervisorAbility, HypervisorContext>

const DISK_BYTES = 4 * 1024 * 1024
const MEMORY_BYTES = 128 * 1024 * 1024

/**
 * What a case works with. Machines made through it are stopped after the case; whatever of ours is still on the host
 * then is a leak and fails the case.
 */
export class HypervisorContext extends CaseCalls {
  /** The adapter under test, watched. */
  readonly adapter: HypervisorAdapter
  readonly audit: Audit
  readonly bench: HypervisorBench
  readonly #subject: Pick<HypervisorSubject, 'memoryBytes' | 'image'>

  constructor(
    bench: HypervisorBench,
    options: { readonly audit: Audit; readonly subject: Pick<HypervisorSubject, 'memoryBytes' | 'image'> },
  ) {
    super()
    this.bench = bench
    this.audit = options.audit
    this.adapter = options.audit.watch(bench.adapter)
    this.#subject = options.subject
    for (const setting of bench.plugin?.plugin.settings ?? []) {
      if (setting.type === 'secret') this.audit.keepSecret(bench.plugin?.endpoint.settings[setting.name] ?? '')
    }
  }

  /** The second adapter on the same host; only for cases that need `stranger`. */
  get stranger(): HypervisorAdapter {
    assert.ok(this.bench.stranger, 'the bench has no stranger')
    return this.audit.watch(this.bench.stranger)
  }

  /** The second host; only for cases that need `peer`. */
  get peer(): HypervisorAdapter {
    assert.ok(this.bench.peer, 'the bench has no peer')
    return this.audit.watch(this.bench.peer.adapter)
  }

  /** The plug-in with its endpoint; only for cases that need `plugin`. */
  get opened(): NonNullable<HypervisorBench['plugin']> {
    assert.ok(this.bench.plugin, 'the bench has no plug-in')
    return this.bench.plugin
  }

  /** What another controller opens: the same host, in an adapter of its own; only for cases that need `plugin`. */
  async another(): Promise<HypervisorAdapter> {
    const { plugin, endpoint } = this.opened
    return this.audit.watch(await plugin.open(endpoint))
  }

  /** I/O inside machines; only for cases that need `guest`. */
  get guest(): GuestIo {
    assert.ok(this.bench.guest, 'the bench has no guest')
    return this.bench.guest
  }

  /** A facet; only for cases that need it. */
  facet<Name extends HypervisorCapability>(name: Name): NonNullable<HypervisorAdapter[Name]> {
    const facet = this.adapter[name]
    assert.ok(facet, `the adapter has no facet ${name}`)
    return facet
  }

  /** What to run: one cpu, no image, no disks; stopped after the case, whether or not it is started. */
  spec(disks: readonly DiskSpec[] = []): VmSpec {
    const id: VmId = newId()
    this.defer(() => this.adapter.vms.stop(id, { force: true }, this.call()))
    return {
      id,
      name: `i-2-${Number.parseInt(id.slice(0, 6), 16)}-VM`,
      cpus: 1,
      memoryBytes: this.#subject.memoryBytes ?? MEMORY_BYTES,
      disks,
    }
  }

  /** A machine that runs. */
  async vm(disks: readonly DiskSpec[] = []): Promise<BackendVm> {
    return this.adapter.vms.start(this.spec(disks), this.call())
  }

  /** A machine that runs and can be frozen, with its guest where the subject names an image. */
  async guestVm(disks: readonly DiskSpec[] = []): Promise<BackendVm> {
    const { image } = this.#subject
    return this.adapter.vms.start({ ...this.spec(disks), ...(image !== undefined && { image }) }, this.call())
  }

  /** A new disk of the bench. */
  async disk(): Promise<TestDisk> {
    const disk = await this.bench.disk(DISK_BYTES)
    if (disk.connection.via === 'iscsi') this.audit.keepSecret(disk.connection.chap?.secret ?? '')
    return disk
  }

  /** How to attach a disk: generation 1, device 1, for writing, without throttle unless it says otherwise. */
  attachment(disk: TestDisk, options: Partial<DiskSpec> = {}): DiskSpec {
    const { volume, connection } = disk
    const serial = serialOf(volume)
    return { volume, connection, serial, generation: 1, deviceId: 1, mode: 'rw', throttle: {}, ...options }
  }

  /** Everything on the host that carries our mark. */
  async ours(): Promise<readonly Extract<HypervisorInventoryItem, { readonly owner: 'ours' }>[]> {
    const items = await allPages((cursor) => this.adapter.inventory.list(cursor, this.call()))
    return items.filter((item) => item.owner === 'ours')
  }

  /** Disks of ours on the host, as `vm volume generation`. */
  async ourDisks(): Promise<readonly string[]> {
    const items = await this.ours()
    return items.flatMap((item) => (item.kind === 'disk' ? [`${item.vm} ${item.volume} ${item.generation}`] : []))
  }
}

/** Sessions open to a disk; only for cases that need `sessions`. */
export async function sessionsOf(disk: TestDisk): Promise<number> {
  assert.ok(disk.sessions, 'the bench cannot count sessions')
  return disk.sessions()
}

/** A machine that runs with one disk. */
export async function attached(c: HypervisorContext) {
  const [vm, disk] = [await c.vm(), await c.disk()]
  await c.adapter.disks.attach(vm.id, c.attachment(disk), c.call())
  return { vm: vm.id, volume: disk.volume, disk }
}
