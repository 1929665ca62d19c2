import { type ArchiveReport, asPluginError, PluginError } from '@moorage/contract'
import { allArchives, archiveSilent, reportArchive } from '../store/archives.ts'
import { recordEvent } from '../store/events.ts'
import type { ArchiveRow } from '../store/generated/schema.ts'
import { archiveRegistration } from '../store/registrations.ts'
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
  const resource = { kind: 'ImageStore', id: archive.id }
  if (!(answer instanceof PluginError)) {
    await deps.store.transact(async (tx) => {
      const since = await reportArchive(tx, archive.id, answer)
      if (!since) return
      const description = `Archive ${archive.name} answers again, which it did not since ${since.toISOString()}`
      await recordEvent(tx, { type: 'IMAGE.STORE.RECONNECT', state: 'Completed', description, resource })
    })
    return
  }
  const news = await deps.store.transact(async (tx) => {
    if (!(await archiveSilent(tx, archive.id))) return false
    const description = `Archive ${archive.name} does not answer`
    await recordEvent(tx, { type: 'IMAGE.STORE.ALERT', level: 'WARN', state: 'Completed', description, resource })
    return true
  })
  const { code, message } = answer
  if (news) deps.log.warn({ archive: archive.id, name: archive.name, code, why: message }, 'an archive does not report')
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
