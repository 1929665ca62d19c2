import { type Connection, type Consumer, type Exposure, PluginError, type Source } from '@moorage/contract'
import { LUN } from '../engine/outlets.ts'
import type { ExposureRecord } from '../state/access.ts'
import { fenceOf } from '../state/fences.ts'
import { iqnOf, outletName, outletOfIqn } from '../state/names.ts'
import { type Caller, change, checkOwner, missing, type San } from './context.ts'
import { outletOf } from './desired.ts'

/** `access/expose`. The outlet is made for the first user of a source in a mode, and goes with the last. */
export function expose(san: San, exposure: Exposure, caller: Caller): Promise<Connection> {
  const { source, consumer, mode, account } = exposure
  return change(san, { object: source, call: caller.call }, async () => {
    checkSource(san, source, caller)
    const rows = san.access.exposures(source)
    const known = rows.find((row) => row.consumer === consumer.id)
    if (known?.state === 'given') {
      checkSame(known, exposure)
      await mend(san, known)
      return connectionOf(san, known)
    }
    if (known) throw new PluginError('BUSY', `the access of ${consumer.initiator} is still being withdrawn`, 'none')
    const other = rows.find((row) => row.initiator === consumer.initiator)
    if (other) {
      // Logins are told apart by initiator name only: two consumers of one name could not be withdrawn one by one.
      throw new PluginError('CONFLICT', `${consumer.initiator} has access already, as ${other.consumer}`, 'none')
    }
    const first = rows.every((row) => row.mode !== mode)
    const { initiator, id } = consumer
    const who = { source, consumer: id, initiator, mode, account, owner: caller.owner }
    const record: ExposureRecord = { ...who, state: 'given', createdAt: Date.now() }
    await give(san, record, first)
    return connectionOf(san, record)
  })
}

/** Access that was given is there when it is asked for again, whatever somebody did to the target meanwhile. */
async function mend(san: San, { source, mode, initiator }: ExposureRecord): Promise<void> {
  const { tgtd, outlets, qsd } = san.engine
  const outlet = await outletOf(san, source, mode)
  const target = (await tgtd.client.targets()).find(({ tid }) => tid === outlet.tid)
  if (target?.acl.includes(initiator)) return
  if (target) return outlets.admit(outlet, initiator)
  await outlets.removeExport(outlet, await qsd.holdings())
  await outlets.make(outlet)
}

async function give(san: San, record: ExposureRecord, first: boolean): Promise<void> {
  const { source, mode, consumer, initiator } = record
  if (first) await takeTargetId(san, record)
  san.access.add(record)
  try {
    const outlet = await outletOf(san, source, mode)
    if (first) await san.engine.outlets.make(outlet)
    else await san.engine.outlets.admit(outlet, initiator)
  } catch (error) {
    // Half of it may be there; the repair that follows removes it, because the row no longer gives access.
    san.access.startWithdrawal(source, consumer)
    throw error
  }
}

/** Settles the number of the outlet's target: not one that a target of somebody else has. */
async function takeTargetId(san: San, { source, mode }: ExposureRecord): Promise<void> {
  const names = await san.engine.tgtd.client.targetNames()
  const foreign = [...names].filter(([, iqn]) => outletOfIqn(iqn) === undefined).map(([tid]) => tid)
  san.access.targetId(source, mode, new Set(foreign))
}

/** `access/withdraw`: returns when the consumer has no session any more and cannot get one. */
export function withdraw(
  san: San,
  access: { readonly source: Source; readonly consumer: Consumer },
  caller: Caller,
): Promise<void> {
  const { source, consumer } = access
  return change(san, { object: source, call: caller.call }, async () => {
    const known = san.access.exposures(source).find((row) => row.consumer === consumer.id)
    if (!known) return
    checkOwner(source, known.owner, caller)
    san.access.startWithdrawal(source, consumer.id)
    const outlet = await outletOf(san, source, known.mode)
    await san.engine.outlets.expel(outlet, known.initiator, caller.call)
    if (outlet.users.length > 0) await san.engine.outlets.setAccounts(outlet)
    else await san.engine.outlets.remove(outlet, caller.call)
    san.database.transaction(() => {
      san.access.remove(source, consumer.id)
      if (outlet.users.length === 0) san.access.removeOutlet(outletName(source, known.mode))
    })
  })
}

function connectionOf(san: San, { source, mode, owner, account, initiator }: ExposureRecord): Connection {
  const iqn = iqnOf(outletName(source, mode))
  return { via: 'iscsi', portal: san.portal, iqn, lun: LUN, initiator, chap: san.access.chap(owner, account) }
}

function checkSource(san: San, source: Source, caller: Caller): void {
  const known = source.kind === 'volume' ? san.objects.volume(source.id) : san.objects.snapshot(source.id)
  if (known?.state !== 'ready') throw missing(source)
  checkOwner(source, known.owner, caller)
}

function checkSame(known: ExposureRecord, exposure: Exposure): void {
  const { consumer, mode, account } = exposure
  const differs = known.mode !== mode ? 'mode' : known.initiator !== consumer.initiator ? 'initiator' : 'account'
  if (known.mode === mode && known.initiator === consumer.initiator && known.account === account) return
  throw new PluginError('CONFLICT', `${fenceOf(exposure.source)} is exposed to it with another ${differs}`, 'none')
}
