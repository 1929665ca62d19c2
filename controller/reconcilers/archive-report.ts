import { type ArchiveReport, asPluginError, PluginError } from '@moorage/contract'
import { allArchives, reportArchive } from '../store/archives.ts'
import type { ArchiveRow } from '../store/generated/schema.ts'
import { archiveRegistration } from '../store/registrations.ts'
import { recordAnswer } from './answered.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** What is recorded of every archive is what its store says of itself, and that a store does not answer is recorded. */
export const archiveReport: Reconciler = {
  name: 'archive-report',
  // To be asked is to write, read and remove a small object.
  everyMs: 300_000,
  async run(deps, turn) {
    await inParallel(await allArchives(deps.store.reader), async (archive) => visit(deps, turn, archive))
  },
}

async function visit(deps: ReconcilerDeps, turn: Turn, archive: ArchiveRow): Promise<void> {
  const answer = await reportOf(deps, turn, archive)
  if (turn.signal.aborted) return
  const { id, name } = archive
  const asked = {
    table: 'archive',
    id,
    name,
    kind: 'ImageStore',
    event: 'IMAGE.STORE',
    title: 'Archive',
    one: 'an archive',
  } as const
  await recordAnswer(deps, asked, {
    answer,
    record: async (tx, report) => reportArchive(tx, archive.id, report),
  })
}

/** What the store says of itself, or why it does not. Another store at its address is not the archive. */
async function reportOf(deps: ReconcilerDeps, turn: Turn, archive: ArchiveRow): Promise<ArchiveReport | PluginError> {
  const { plugin, url, settings } = archiveRegistration(deps.store, archive)
  const endpoint = { url, settings, owner: deps.plugins.owner }
  try {
    const report = await deps.plugins.probeArchive(plugin, endpoint, turn.call(`archive/${archive.id}`))
    if (report.identity === archive.identity) return report
    return new PluginError('CONFLICT', `reports as ${report.identity}, registered is ${archive.identity}`, 'none')
  } catch (error) {
    return asPluginError(error)
  }
}
