export * from './client.ts'
export * from './remote-hypervisor.ts'
export * from './remote-storage.ts'
export * from './server.ts'
