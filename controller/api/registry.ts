import type { Command } from './command.ts'

/** Every command that is answered, in the order in which the documentation lists them. */
export const COMMANDS: readonly Command[] = []
