import { archiveCollect } from '../sagas/archive-collect.ts'
import { archiveDrill } from '../sagas/archive-drill.ts'
import { anyArchived, archivesDue } from '../store/archive-upkeep.ts'
import { setting } from '../store/configurations.ts'
import { askFor } from './ask.ts'
import type { Reconciler } from './reconciler.ts'

/** Archives are collected, and a snapshot in each is checked whole, as often as their intervals say. */
export const archiveUpkeep: Reconciler = {
  name: 'archive-upkeep',
  everyMs: 60_000,
  async run(deps, turn) {
    const { reader } = deps.store
    const collecting = await archivesDue(reader, 'collect', await setting(reader, 'archive.collect.interval'))
    await askFor(deps, turn, {
      head: archiveCollect,
      reason: 'it is due to be collected',
      wishes: collecting.map((id) => ({ kind: 'archive', id, account: '', input: { archive: id } })),
    })
    const drilling = await archivesDue(reader, 'drill', await setting(reader, 'archive.drill.interval'))
    const chosen = await Promise.all(
      drilling.map(async (archive) => ({ archive, snapshot: await anyArchived(reader, archive) })),
    )
    await askFor(deps, turn, {
      head: archiveDrill,
      reason: 'it is due for a restore drill',
      wishes: chosen.flatMap(({ archive, snapshot }) =>
        snapshot === undefined
          ? []
          : [{ kind: 'archive' as const, id: archive, account: '', input: { archive, snapshot } }],
      ),
    })
  },
}
