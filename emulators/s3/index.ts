export * from './emulator.ts'
export * from './faults.ts'
