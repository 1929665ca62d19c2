import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

/** `graceSeconds`: an object on a back end younger than this is not called an orphan; absent means 0. */
export interface CensusInput {
  readonly graceSeconds?: number
}

/** Compares what arrays and hosts hold with what the database says, and records the differences. Changes nothing else. */
export const census = sagaHead<CensusInput>({
  name: 'census',
  version: 1,
  lane: 'housekeeping',
  needs: async () => [resourceName('census', 'all')],
})
