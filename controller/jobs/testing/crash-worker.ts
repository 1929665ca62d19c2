import { randomUUID } from 'node:crypto'
import { openStore } from '../../store/open.ts'
import { createJournal } from '../../store/journal.ts'
import { openCrashArray } from './crash-array.ts'
import { crashSaga } from './crash-saga.ts'
import { startRunner } from '../runner.ts'

/** A controller of the crash test, to be killed: `node crash-worker.ts DATABASE_URL MASTER_KEY ARRAY_FILE LEASE_MS`. */
async function main([url = '', masterKey = '', file = '', lease = '']: readonly string[]): Promise<void> {
  const log = {
    info: () => {},
    warn: () => {},
    error: (...words: readonly unknown[]) => process.stderr.write(`${words.join(' ')}\n`),
  }
  const leaseMs = Number(lease)
  const store = await openStore({ url, dataDir: '', masterKey: Buffer.from(masterKey, 'hex'), log, connections: 8 })
  const saga = crashSaga(openCrashArray(file))
  const runner = await startRunner({
    journal: createJournal({ store, leaseMs, log }),
    sagas: new Map([[saga.name, saga]]),
    node: randomUUID(),
    concurrency: 16,
    leaseMs,
    pollMs: 100,
    describe: (error) => ({ code: 'FAILED', text: String(error) }),
    log,
  })
  process.once('SIGTERM', () => {
    void runner
      .stop({ graceMs: 200 })
      .then(() => store.close())
      .then(() => process.exit(0))
  })
  // A worker ends with the test that started it, even one that was killed.
  process.stdin.on('end', () => process.exit(0)).resume()
}

await main(process.argv.slice(2))
