import { basename } from 'node:path'
import { PluginError } from '@moorage/contract'
import { mountsBelow } from '../engine/mounts.ts'
import { unless } from '../engine/tgtd.ts'
import { fenceOf } from '../state/fences.ts'
import { nodeOf, outletOfIoThread, parseOutletName } from '../state/names.ts'
import type { Caller, San } from './context.ts'
import { served, sourceOfStructure } from './inventory.ts'

/**
 * `inventory/remove`: takes away what serves nobody, by the name under which the inventory lists it. Under the lock of what it
 * was made for it is listed once more first: what is not there is removed already, and what serves somebody by now is `IN_USE`.
 */
export async function removeStructure(san: San, name: string, caller: Caller): Promise<void> {
  const source = sourceOfStructure(san, name)
  if (!source) throw new PluginError('DENIED', `${name} is not ours`, 'none')
  const lock = fenceOf(source)
  await san.locks.run([lock], caller.call, () =>
    san.engine.work(caller.call, async () => {
      const all = await served(san, { ...caller, holding: lock })
      const found = all.find((item) => item.kind === 'structure' && item.name === name)
      if (!found) return refuseServing(san, name)
      if (found.owner !== 'ours') throw new PluginError('DENIED', `${name} belongs to another installation`, 'none')
      if (!('stale' in found)) throw new PluginError('IN_USE', `${name} serves somebody`, 'none')
      await remove(san, name, caller)
    }),
  )
}

async function refuseServing(san: San, name: string): Promise<void> {
  const held = await san.engine.qsd.holdings()
  const there = [
    ...[...(await san.engine.tgtd.client.targetNames())].map(([, iqn]) => iqn),
    ...held.exports.map((each) => `export ${each}`),
    ...held.threads.map((each) => `thread ${each}`),
    ...held.nodes.map((each) => `node ${each}`),
    ...held.throttleGroups.map((each) => `throttle group ${each}`),
  ]
  if (there.includes(name)) throw new PluginError('IN_USE', `${name} serves somebody`, 'none')
}

async function remove(san: San, name: string, { call }: Caller): Promise<void> {
  const { engine } = san
  const [kind = '', first = '', second = ''] = name.split(' ')
  if (kind === 'acl' || kind === 'session') return expel(san, { iqn: first, initiator: second })
  if (kind === 'node') return engine.qsd.removeNode(first)
  if (kind === 'throttle') return engine.qsd.removeObject(second)
  if (kind === 'export' || kind === 'thread' || kind === 'mount') {
    const outlet = kind === 'thread' ? (outletOfIoThread(first) ?? first) : first
    return removeOutlet(san, outlet)
  }
  for (const [tid, iqn] of await engine.tgtd.client.targetNames())
    if (iqn === name) await engine.outlets.removeTarget(tid, call)
}

/** No new login of the initiator, and its sessions end. */
async function expel(san: San, who: { readonly iqn: string; readonly initiator: string }): Promise<void> {
  const { client } = san.engine.tgtd
  for (const [tid, iqn] of await client.targetNames()) {
    if (iqn !== who.iqn) continue
    await client.denyInitiator(tid, who.initiator).catch(unless('ACL_NOEXIST', 'NO_TARGET'))
    for (const { sid, cid, initiator } of await client.connections(tid)) {
      if (initiator !== who.initiator) continue
      await client.closeConnection({ tid, sid, cid }).catch(unless('NO_SESSION', 'NO_CONNECTION'))
    }
  }
}

/** All that is left of an outlet outside of tgtd. One that should serve is made anew by a repair instead. */
async function removeOutlet(san: San, name: string): Promise<void> {
  const parsed = parseOutletName(name)
  if (!parsed) return
  const isWanted = san.access.exposures(parsed.source).some(({ mode }) => mode === parsed.mode)
  if (isWanted) return san.engine.repair(`${name} has a dead mount`)
  const held = await san.engine.qsd.holdings()
  const isMounted = (await mountsBelow(san.exports)).some((point) => basename(point) === name)
  if (!isMounted && !held.exports.includes(name) && !held.threads.some((id) => outletOfIoThread(id) === name)) return
  await san.engine.outlets.removeExportNamed(name, nodeOf(parsed.source, parsed.mode), held)
}
