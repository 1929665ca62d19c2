export * from './client.ts'
export * from './errors.ts'
export type { TgtConnection, TgtCounters, TgtLun, TgtSession, TgtTarget } from './listings.ts'
