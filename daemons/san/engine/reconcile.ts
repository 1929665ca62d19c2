import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Call, Qos, VolumeId } from '@moorage/contract'
import { QmpLineError } from '@moorage/qmp'
import { TgtLineError, type TgtTarget } from '@moorage/tgt'
import { isNodeName, nodeOf, outletName, outletOfIoThread, outletOfIqn, parseOutletName } from '../state/names.ts'
import { mountsBelow, unmountAll } from './mounts.ts'
import type { Outlet, Outlets } from './outlets.ts'
import type { QsdHoldings, StorageDaemon } from './qsd.ts'
import type { Throttles } from './throttles.ts'
import { type Tgtd, unless } from './tgtd.ts'

/** What should be there, and where to look. */
export interface Reconciliation {
  readonly wanted: readonly Outlet[]
  readonly volumes: ReadonlyMap<VolumeId, Qos>
  readonly tgtd: Tgtd
  readonly qsd: StorageDaemon
  readonly outlets: Outlets
  readonly throttles: Throttles
  /** Directory of the mount points of exports. */
  readonly exports: string
  /** Told of each repair, in words for a log. */
  note(what: string): void
}

const DRAIN_MS = 30_000

/**
 * Compares what tgtd, qemu-storage-daemon and the kernel hold with what should be there, and mends the difference. It is
 * the one way back to order: after our own start, after one of the daemons died, after a call that failed half way.
 * What is whole is not touched, and what is foreign never. Idempotent. Returns the outlets that could not be mended, by
 * name, with the reason: one of them must not keep the others down. Throws when a daemon does not answer.
 */
export async function reconcile(all: Reconciliation): Promise<ReadonlyMap<string, unknown>> {
  const { tgtd, qsd, outlets, throttles } = all
  const call = { deadline: Date.now() + DRAIN_MS }
  const targets = await tgtd.client.targets()
  const held = await qsd.holdings()
  const wanted = new Map(all.wanted.map((outlet) => [outletName(outlet.source, outlet.mode), outlet]))
  const present = new Map<string, TgtTarget>()
  for (const target of targets) {
    const name = outletOfIqn(target.iqn)
    if (name === undefined || !parseOutletName(name)) continue
    if (wanted.get(name)?.tid === target.tid) present.set(name, target)
    else {
      all.note(`removing target ${target.iqn}, which serves nobody`)
      await outlets.removeTarget(target.tid, call)
    }
  }
  const broken = await findBroken(all, present, held)
  // All at once and first: a command that is swallowed now will be repeated, one that is answered would be an error.
  for (const { tid } of broken) await tgtd.client.setTargetState(tid, 'offline').catch(unless('NO_TARGET'))
  await removeLeftovers(all, wanted, held)
  await throttles.align(all.volumes, held.throttleGroups)
  const failures = new Map<string, unknown>()
  for (const outlet of all.wanted) {
    const name = outletName(outlet.source, outlet.mode)
    try {
      await mend(all, { outlet, target: present.get(name), held, broken: broken.includes(outlet), call })
    } catch (error) {
      if (error instanceof TgtLineError || error instanceof QmpLineError) throw error
      failures.set(name, error)
    }
  }
  return failures
}

async function mend(
  { outlets, note }: Reconciliation,
  at: {
    readonly outlet: Outlet
    readonly target: TgtTarget | undefined
    readonly held: QsdHoldings
    readonly broken: boolean
    readonly call: Pick<Call, 'deadline'>
  },
): Promise<void> {
  const { outlet, target, held, broken, call } = at
  const name = outletName(outlet.source, outlet.mode)
  if (!target) {
    note(`making outlet ${name}`)
    await outlets.removeExport(outlet, held)
    await outlets.make(outlet)
    return
  }
  if (broken) {
    note(`renewing outlet ${name}`)
    await outlets.renew(outlet, call, { held })
  }
  await alignUsers(outlets, { outlet, target, call })
}

async function findBroken(
  { wanted, outlets }: Reconciliation,
  present: ReadonlyMap<string, TgtTarget>,
  held: QsdHoldings,
): Promise<readonly Outlet[]> {
  const broken: Outlet[] = []
  for (const outlet of wanted) {
    const target = present.get(outletName(outlet.source, outlet.mode))
    if (target && !(await outlets.isWhole(outlet, target, held))) broken.push(outlet)
  }
  return broken
}

async function alignUsers(
  outlets: Outlets,
  at: { readonly outlet: Outlet; readonly target: TgtTarget; readonly call: Pick<Call, 'deadline'> },
): Promise<void> {
  const { outlet, target, call } = at
  const wanted = new Set(outlet.users.map(({ initiator }) => initiator))
  const there = [...target.acl, ...target.sessions.map(({ initiator }) => initiator)]
  for (const initiator of new Set(there)) if (!wanted.has(initiator)) await outlets.expel(outlet, initiator, call)
  await outlets.setAccounts(outlet, target.accounts)
  for (const initiator of wanted) if (!target.acl.includes(initiator)) await outlets.admit(outlet, initiator)
}

/** Removes what qemu-storage-daemon and the kernel hold under our names for outlets that should not be there. */
async function removeLeftovers(
  all: Reconciliation,
  wanted: ReadonlyMap<string, Outlet>,
  held: QsdHoldings,
): Promise<void> {
  const names = new Set([
    ...held.exports,
    ...held.threads.map((thread) => outletOfIoThread(thread) ?? ''),
    ...(await mountsBelow(all.exports)).map((point) => basename(point)),
    ...(await readdir(all.exports)),
  ])
  // What was mounted by a qemu-storage-daemon that is gone answers every access with an error; all at once is quick.
  const dead = (await mountsBelow(all.exports)).filter((point) => !held.exports.includes(basename(point)))
  await unmountAll(dead)
  for (const name of names) {
    const parsed = parseOutletName(name)
    if (!parsed || wanted.has(name)) continue
    all.note(`removing what is left of outlet ${name}`)
    await all.outlets.removeExportNamed(name, nodeOf(parsed.source, parsed.mode), held)
  }
  const nodes = new Set(all.wanted.map(({ source, mode }) => nodeOf(source, mode)))
  const now = (await all.qsd.holdings()).nodes
  for (const node of now) if (isNodeName(node) && !nodes.has(node)) await all.qsd.removeNode(node)
}
