export * from './directory.ts'
export * from './durable.ts'
export * from './failures.ts'
