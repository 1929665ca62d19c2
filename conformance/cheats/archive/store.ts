import type { ArchiveStore } from '@moorage/contract'
import type { ArchiveBench } from '../../archive/subject.ts'
import type { ArchiveCheat } from '../cheat.ts'

/** A cheat made of the methods that it changes. */
export function store(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: ArchiveStore) => Partial<ArchiveStore>,
): ArchiveCheat {
  return everyStore(name, caughtBy, (honest, at) => (at === 0 ? change(honest) : {}))
}

/** As `store`, of every store that the plug-in opens: `at` counts them, 0 is the one of the bench. */
export function everyStore(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: ArchiveStore, at: number) => Partial<ArchiveStore>,
): ArchiveCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      let count = 0
      const spoiled = (honest: ArchiveStore): ArchiveStore => ({ ...honest, ...change(honest, count++) })
      const changed = { ...bench, store: spoiled(bench.store) }
      if (!bench.plugin) return changed
      const { plugin, endpoint } = bench.plugin
      const open = async (at: typeof endpoint) => spoiled(await plugin.open(at))
      return { ...changed, plugin: { endpoint, plugin: { ...plugin, open } } }
    },
  }
}

/** A cheat of the plug-in itself: what it says of itself, and what `open` does. */
export function archivePlugin(
  name: string,
  caughtBy: string | readonly string[],
  change: (honest: NonNullable<ArchiveBench['plugin']>) => object,
): ArchiveCheat {
  return {
    name,
    caughtBy: [caughtBy].flat(),
    spoil(bench) {
      const { plugin } = bench
      return plugin ? { ...bench, plugin: { ...plugin, plugin: { ...plugin.plugin, ...change(plugin) } } } : bench
    },
  }
}
