import { administratorKeys } from '../operations/bootstrap.ts'
import { createLogger } from '../telemetry/logger.ts'
import { openData } from './data.ts'

/**
 * The administrator's API keys, read from the database of `data`, which is started for that when no controller runs.
 * Throws when no controller was ever started there.
 */
export async function readKeys(
  data: string,
): Promise<{ readonly username: string; readonly apiKey: string; readonly secretKey: string }> {
  const { store } = await openData(data, { log: createLogger({ level: 'silent' }), create: false })
  try {
    const keys = await administratorKeys(store)
    if (keys) return keys
    throw new Error(`there is no administrator with API keys in ${data}: start moorage serve --data ${data} once`)
  } finally {
    await store.close()
  }
}
