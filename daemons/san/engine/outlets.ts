import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type AccessMode,
  type Call,
  type Chap,
  PluginError,
  serialOf,
  type Source,
  type VolumeId,
} from '@moorage/contract'
import { TgtError, type TgtTarget } from '@moorage/tgt'
import { ioThreadOf, iqnOf, nodeOf, outletName, throttleGroupOf } from '../state/names.ts'
import type { Counters } from './counters.ts'
import { isExported, isSerialized, serializeRequests } from './fuse.ts'
import { mountAt, unmount } from './mounts.ts'
import type { QsdHoldings, StorageDaemon } from './qsd.ts'
import { createAccount, GUARD_ACCOUNT, threadsOf, type Tgtd, unless } from './tgtd.ts'

/** LUN 0 is tgtd's controller. */
export const LUN = 1

/** What serves one source in one mode, and whom: file, throttled node, FUSE export, logical unit, target. */
export interface Outlet {
  readonly source: Source
  readonly mode: AccessMode
  readonly tid: number
  /** The file in the pool. */
  readonly file: string
  readonly bytes: number
  /** Those who may log in. */
  readonly users: readonly { readonly initiator: string; readonly chap: Chap }[]
}

/** What outlets are made of. */
export interface OutletParts {
  readonly qsd: StorageDaemon
  readonly tgtd: Tgtd
  readonly counters: Counters
  /** Directory of the mount points of exports. */
  readonly exports: string
  /** Directory where the kernel's control files of FUSE are mounted. */
  readonly fuseControl: string
  /** Lifts a volume's throttle until the result is called, so that commands under way end soon. */
  lift(volume: VolumeId): Promise<() => Promise<void>>
}

/** How long commands under way may take before their throttle is lifted. */
const PATIENCE_MS = 40

/** Makes, changes and removes outlets. Nothing here is idempotent: the caller knows what is there. */
export class Outlets {
  readonly #parts: OutletParts
  /** Threads are told apart by what is there before and after: one LUN at a time. */
  #lunTurn: Promise<unknown> = Promise.resolve()

  constructor(parts: OutletParts) {
    this.#parts = parts
  }

  /** Makes the whole outlet; admits its users at the very end. */
  async make(outlet: Outlet): Promise<void> {
    const { client } = this.#parts.tgtd
    // Both are waited for even when one fails, so that nothing is still being made when the caller cleans up.
    const [made, targeted] = await Promise.allSettled([this.#makeExport(outlet), this.#makeTarget(outlet)])
    if (targeted.status === 'rejected') throw targeted.reason
    if (made.status === 'rejected') throw made.reason
    await this.#makeUnit(outlet)
    for (const { initiator } of outlet.users) await client.allowInitiator(outlet.tid, initiator)
  }

  /** Admits one more user. */
  async admit(outlet: Outlet, initiator: string): Promise<void> {
    await this.setAccounts(outlet)
    await this.#parts.tgtd.client.allowInitiator(outlet.tid, initiator).catch(unless('ACL_EXIST'))
  }

  /**
   * Takes an initiator's access back: no new login, and its sessions end; returns once none is left, which is after its
   * last command has ended. Idempotent. Throws `BUSY`, effect `possible`, when that takes beyond the deadline.
   */
  async expel(outlet: Outlet, initiator: string, call: Pick<Call, 'deadline'>): Promise<void> {
    const { client } = this.#parts.tgtd
    await client.denyInitiator(outlet.tid, initiator).catch(unless('ACL_NOEXIST', 'NO_TARGET'))
    await this.#drain(outlet, call, async () => {
      const all = await client.connections(outlet.tid).catch((error: unknown) => {
        unless('NO_TARGET')(error)
        return []
      })
      const left = all.filter((each) => each.initiator === initiator)
      for (const { sid, cid } of left) {
        await client.closeConnection({ tid: outlet.tid, sid, cid }).catch(unless('NO_SESSION', 'NO_CONNECTION'))
      }
      return left.length === 0
    })
  }

  /** Removes the whole outlet, whose users are expelled already. */
  async remove(outlet: Outlet, call: Pick<Call, 'deadline'>): Promise<void> {
    const { client } = this.#parts.tgtd
    const name = outletName(outlet.source, outlet.mode)
    this.#parts.counters.end(name)
    await this.#drain(outlet, call, () =>
      client.deleteTarget(outlet.tid).then(
        () => true,
        (error: unknown) => isRefusal(error, 'NO_TARGET') || stillActive(error),
      ),
    )
    await this.removeExport(outlet)
  }

  /**
   * Exchanges everything below the target while initiators stay logged in: their commands are swallowed, and repeated
   * when they have logged in anew after it. `between` runs while nobody uses the file.
   */
  async renew(
    outlet: Outlet,
    call: Pick<Call, 'deadline'>,
    options: { readonly held?: QsdHoldings; between?(): Promise<void> } = {},
  ): Promise<void> {
    const { held, between = async () => {} } = options
    const { client } = this.#parts.tgtd
    const { tid } = outlet
    await client.setTargetState(tid, 'offline')
    await this.#drain(outlet, call, async () => {
      if (outlet.source.kind === 'volume') this.#parts.counters.sample(outlet.source.id)
      return client.deleteLun(tid, LUN).then(
        () => true,
        (error: unknown) => isRefusal(error, 'NO_LUN') || stillActive(error),
      )
    })
    this.#parts.counters.end(outletName(outlet.source, outlet.mode))
    await this.removeExport(outlet, held)
    await between()
    await this.#makeExport(outlet)
    await this.#makeUnit(outlet)
    await client.setTargetState(tid, 'ready')
    for (const { sid, cid } of await client.connections(tid)) {
      await client.closeConnection({ tid, sid, cid }).catch(unless('NO_SESSION', 'NO_CONNECTION'))
    }
  }

  /** Removes a target and ends its sessions, whoever uses it. */
  async removeTarget(tid: number, call: Pick<Call, 'deadline'>): Promise<void> {
    const { client } = this.#parts.tgtd
    // Offline first: nobody logs in anew while the sessions are closed.
    await client.setTargetState(tid, 'offline')
    for (;;) {
      for (const { sid, cid } of await client.connections(tid)) {
        await client.closeConnection({ tid, sid, cid }).catch(unless('NO_SESSION', 'NO_CONNECTION'))
      }
      if (await client.deleteTarget(tid).then(() => true, stillActive)) return
      if (Date.now() > call.deadline) throw new PluginError('BUSY', `target ${tid} is still in use`, 'possible')
      await pause(10)
    }
  }

  /** True when every part is there and works. */
  async isWhole(outlet: Outlet, target: TgtTarget | undefined, held: QsdHoldings): Promise<boolean> {
    const { counters, fuseControl } = this.#parts
    const name = outletName(outlet.source, outlet.mode)
    const point = this.#mountPoint(name)
    const unit = target?.luns.find(({ lun }) => lun === LUN)
    if (target?.state !== 'ready' || unit?.path !== point || !unit.online) return false
    if (!held.exports.includes(name) || !(await isExported(point, outlet.bytes))) return false
    if (!(await isSerialized(fuseControl, point).catch(() => false))) return false
    return outlet.source.kind === 'snapshot' || counters.isCounting(name)
  }

  /**
   * Binds the accounts of the outlet's users and no others. Accounts come off in the reverse of the order in which they
   * went on, because tgtd cannot bear holes between them; the guard stays, so that a password is always needed.
   */
  async setAccounts(outlet: Outlet, bound?: readonly string[]): Promise<void> {
    const { client } = this.#parts.tgtd
    const { tid, users } = outlet
    const wanted = new Set(users.map(({ chap }) => chap.user))
    const now = bound ?? (await client.targets()).find((each) => each.tid === tid)?.accounts ?? []
    const kept = now.slice(1).every((user) => wanted.has(user))
    if (!kept) for (const user of now.slice(1).toReversed()) await client.unbindAccount(tid, user)
    const there = new Set(kept ? now : now.slice(0, 1))
    if (there.size === 0) await client.bindAccount(tid, GUARD_ACCOUNT)
    for (const { chap } of users) {
      if (there.has(chap.user)) continue
      there.add(chap.user)
      await createAccount(client, chap)
      await client.bindAccount(tid, chap.user)
    }
  }

  /** Removes the part of an outlet that lies in qemu-storage-daemon, as far as it is there. */
  async removeExport(outlet: Outlet, held?: QsdHoldings): Promise<void> {
    const { source, mode } = outlet
    const name = outletName(source, mode)
    await this.removeExportNamed(name, nodeOf(source, mode), held)
  }

  /** The same, by names. Without `held`, all of it is there. */
  async removeExportNamed(name: string, node: string, held?: QsdHoldings): Promise<void> {
    const { qsd } = this.#parts
    if (!held || held.exports.includes(name)) await qsd.removeExport(name)
    if (!held || held.nodes.includes(node)) await qsd.removeNode(node)
    if (!held || held.threads.includes(ioThreadOf(name))) await qsd.removeObject(ioThreadOf(name))
    const point = this.#mountPoint(name)
    // A mount that nobody serves any more answers every access with an error; only a lazy unmount gets rid of it.
    while (await mountAt(point)) await unmount(point, 'lazily')
    await rm(point, { force: true })
  }

  async #makeExport({ source, mode, file, bytes }: Outlet): Promise<void> {
    const { qsd, exports, fuseControl } = this.#parts
    const name = outletName(source, mode)
    const [node, thread, mountPoint] = [nodeOf(source, mode), ioThreadOf(name), this.#mountPoint(name)]
    const writable = mode === 'rw'
    await mkdir(exports, { recursive: true })
    await writeFile(mountPoint, '', { mode: 0o600 })
    await qsd.addThread(thread)
    const group = source.kind === 'volume' ? { throttleGroup: throttleGroupOf(source.id) } : {}
    await qsd.addNode({ node, file, writable, ...group })
    await qsd.addExport({ id: name, node, thread, mountPoint, writable })
    await serializeRequests(fuseControl, mountPoint)
    // tgtd would serve the empty file below a mount that failed, and acknowledge writes into nowhere.
    if (!(await isExported(mountPoint, bytes))) throw new Error(`${mountPoint} does not show ${bytes} bytes`)
  }

  async #makeTarget(outlet: Outlet): Promise<void> {
    const iqn = iqnOf(outletName(outlet.source, outlet.mode))
    await this.#parts.tgtd.client.createTarget({ tid: outlet.tid, iqn })
    await this.setAccounts(outlet, [])
  }

  /** The unit's identity derives from the source's id, so that an initiator knows it again after any rebuild. */
  async #makeUnit({ source, mode, tid }: Outlet): Promise<void> {
    const { tgtd, counters } = this.#parts
    const name = outletName(source, mode)
    const turn = this.#lunTurn.then(async () => {
      const before = new Set(await threadsOf(tgtd.daemon))
      await tgtd.client.createLun({ tid, lun: LUN, path: this.#mountPoint(name), flags: 'direct' })
      const threads = (await threadsOf(tgtd.daemon)).filter((thread) => !before.has(thread))
      if (source.kind !== 'volume') return
      counters.begin({ outlet: name, volume: source.id, tgtd: tgtd.daemon.instance, threads })
    })
    this.#lunTurn = turn.catch(() => {})
    await turn
    const serial = serialOf(source.id as VolumeId) // A snapshot's unit has a serial made in the same way.
    const identity = { scsi_sn: serial, scsi_id: serial, vendor_id: 'MOORAGE', product_id: 'LINUX-SAN' }
    const readonly = mode === 'ro' ? ({ readonly: 1 } as const) : {}
    await tgtd.client.updateLun({ tid, lun: LUN }, { thin_provisioning: 1, ...identity, ...readonly })
  }

  /** Repeats `isDone` until it is; lifts the volume's throttle when that takes long. */
  async #drain(outlet: Outlet, call: Pick<Call, 'deadline'>, isDone: () => Promise<boolean>): Promise<void> {
    const began = Date.now()
    let lower: (() => Promise<void>) | undefined
    try {
      for (let wait = 1; !(await isDone()); wait = Math.min(wait * 2, 25)) {
        if (Date.now() > call.deadline) {
          const name = outletName(outlet.source, outlet.mode)
          throw new PluginError('BUSY', `commands of an initiator of ${name} are still under way`, 'possible')
        }
        const { source } = outlet
        if (source.kind === 'volume' && Date.now() - began > PATIENCE_MS) lower ??= await this.#parts.lift(source.id)
        await pause(wait)
      }
    } finally {
      await lower?.()
    }
  }

  #mountPoint(name: string): string {
    return join(this.#parts.exports, name)
  }
}

function isRefusal(error: unknown, reason: string): boolean {
  return error instanceof TgtError && error.reason === reason
}

/** False for tgtd's refusals that will not last; throws everything else. */
function stillActive(error: unknown): boolean {
  if (isRefusal(error, 'LUN_ACTIVE') || isRefusal(error, 'TARGET_ACTIVE')) return false
  throw error
}
