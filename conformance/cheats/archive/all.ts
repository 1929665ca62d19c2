import type { ArchiveCheat } from '../cheat.ts'
import { callCheats } from './calls.ts'
import { listingCheats } from './listing.ts'
import { objectCheats } from './objects.ts'
import { probeCheats } from './probe.ts'

/** Stores that the archive kit must reject, each with the cases that must catch it. Names are unique. */
export const archiveCheats: readonly ArchiveCheat[] = [...probeCheats, ...objectCheats, ...listingCheats, ...callCheats]
