import { type AccessMode, type Qos, type Source, type VolumeId } from '@moorage/contract'
import type { Outlet } from '../engine/outlets.ts'
import { outletName } from '../state/names.ts'
import type { San } from './context.ts'

/** The outlet of an exposed source in one mode, with those who have access now. Settles the number of its target. */
export async function outletOf(
  san: Pick<San, 'access' | 'objects' | 'files'>,
  source: Source,
  mode: AccessMode,
): Promise<Outlet> {
  const users = san.access
    .exposures(source)
    .filter((each) => each.mode === mode && each.state === 'given')
    .map(({ initiator, owner, account }) => ({ initiator, chap: san.access.chap(owner, account) }))
  const { file, bytes } = await content(san, source)
  return { source, mode, tid: san.access.targetId(source, mode), file: san.files.path(file), bytes, users }
}

/** Everything that should be served, and every volume with the QoS to enforce. Sources whose file is gone are left out. */
export async function desired(
  san: Pick<San, 'access' | 'objects' | 'files'>,
): Promise<{ readonly outlets: readonly Outlet[]; readonly volumes: ReadonlyMap<VolumeId, Qos> }> {
  const outlets = new Map<string, Outlet>()
  for (const { source, mode, state } of san.access.allExposures()) {
    const name = outletName(source, mode)
    if (state !== 'given' || outlets.has(name)) continue
    const outlet = await outletOf(san, source, mode)
    if (await san.files.measure(outlet.file.slice(san.files.root.length + 1))) outlets.set(name, outlet)
  }
  const volumes = san.objects.volumes().filter(({ state }) => state === 'ready')
  return {
    outlets: [...outlets.values()],
    volumes: new Map(volumes.map(({ id, qos }) => [id, qos.applied])),
  }
}

/** Forgets withdrawals that a repair has completed, and outlets that nobody uses. */
export function forgetWithdrawn(san: Pick<San, 'access'>): void {
  const rows = san.access.allExposures()
  const used = new Set(
    rows.filter(({ state }) => state === 'given').map(({ source, mode }) => outletName(source, mode)),
  )
  for (const { source, mode, consumer, state } of rows) {
    if (state !== 'withdrawing') continue
    san.access.remove(source, consumer)
    if (!used.has(outletName(source, mode))) san.access.removeOutlet(outletName(source, mode))
  }
}

/** Brings the files in line with the rows after a start: what was being made is kept if it is whole, else forgotten. */
export async function recover(san: Pick<San, 'objects' | 'files'>): Promise<void> {
  const { objects, files } = san
  await files.removeDrafts()
  for (const { id, owner, state, bytes } of objects.volumes()) {
    const file = files.volume(owner, id)
    if (state === 'deleting') await files.remove(file)
    const measured = await files.measure(file)
    if (measured && measured.bytes < bytes) await files.grow(file, bytes)
    if (measured && state === 'creating') objects.setVolumeState(id, 'ready')
    // A ready volume without its file stays: it is for a census to say that bytes were lost.
    if (!measured && state !== 'ready') objects.removeVolume(id)
  }
  for (const { id, owner, state, volume } of objects.snapshots()) {
    const file = files.snapshot(owner, id, volume)
    if (state === 'deleting') await files.remove(file)
    const measured = await files.measure(file)
    if (measured && state === 'creating') objects.setSnapshotState(id, 'ready')
    if (!measured && state !== 'ready') objects.removeSnapshot(id)
  }
}

async function content(
  { objects, files }: Pick<San, 'objects' | 'files'>,
  source: Source,
): Promise<{ readonly file: string; readonly bytes: number }> {
  if (source.kind === 'volume') {
    const known = objects.volume(source.id)
    return { file: known ? files.volume(known.owner, known.id) : '', bytes: known?.bytes ?? 0 }
  }
  const known = objects.snapshot(source.id)
  const file = known ? files.snapshot(known.owner, known.id, known.volume) : ''
  return { file, bytes: (await files.measure(file))?.bytes ?? 0 }
}
