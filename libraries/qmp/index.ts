export * from './client.ts'
export * from './errors.ts'
export * from './guest-agent.ts'
export type { ExecuteOptions } from './pending-commands.ts'
