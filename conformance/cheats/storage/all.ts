import type { StorageCheat } from '../cheat.ts'
import { accessCheats } from './access.ts'
import { blockCheats } from './blocks.ts'
import { byteCheats } from './bytes.ts'
import { callCheats } from './calls.ts'
import { changeListCheats } from './change-list.ts'
import { cloneCheats } from './clones.ts'
import { controllerCheats } from './controllers.ts'
import { dataCheats } from './data.ts'
import { fenceCheats } from './fences.ts'
import { groupCheats } from './groups.ts'
import { inventoryCheats } from './inventory.ts'
import { lineCheats } from './lines.ts'
import { poolCheats } from './pools.ts'
import { qosCheats } from './qos.ts'
import { resizeCheats } from './resize.ts'
import { revertCheats } from './revert.ts'
import { sessionCheats } from './sessions.ts'
import { sharingCheats } from './sharing.ts'
import { snapshotLimitCheats } from './snapshot-limits.ts'
import { snapshotCheats } from './snapshots.ts'
import { statsCheats } from './stats.ts'
import { strangerCheats } from './strangers.ts'
import { volumeCheats } from './volumes.ts'
import { withdrawalCheats } from './withdrawal.ts'

/** Providers that the storage kit must reject, each with the cases that must catch it. Names are unique. */
export const storageCheats: readonly StorageCheat[] = [
  ...poolCheats,
  ...volumeCheats,
  ...byteCheats,
  ...callCheats,
  ...lineCheats,
  ...controllerCheats,
  ...fenceCheats,
  ...accessCheats,
  ...withdrawalCheats,
  ...sharingCheats,
  ...sessionCheats,
  ...blockCheats,
  ...inventoryCheats,
  ...strangerCheats,
  ...snapshotCheats,
  ...snapshotLimitCheats,
  ...cloneCheats,
  ...resizeCheats,
  ...qosCheats,
  ...revertCheats,
  ...groupCheats,
  ...changeListCheats,
  ...statsCheats,
  ...dataCheats,
]
