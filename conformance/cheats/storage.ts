import type { StorageCheat } from './cheat.ts'
import { byteCheats } from './storage-bytes.ts'
import { stateCheats } from './storage-state.ts'
import { withdrawalCheats } from './storage-withdrawal.ts'

/** Providers that the storage kit must reject, each with the cases that must catch it. Names are unique. */
export const storageCheats: readonly StorageCheat[] = [...stateCheats, ...byteCheats, ...withdrawalCheats]
