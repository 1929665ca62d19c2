import { directoryArchive } from '@moorage/archive-directory'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { simulatorHypervisor } from '@moorage/hypervisor-simulator'
import { linuxSan } from '@moorage/storage-linux-san'
import { simulatorStorage } from '@moorage/storage-simulator'
import { movers } from '../../controller/cli/movers.ts'
import { startRunner, type Runner } from '../../controller/jobs/runner.ts'
import { createPluginHost } from '../../controller/plugin-host/create.ts'
import { describeFailure } from '../../controller/sagas/calls.ts'
import { createSagas } from '../../controller/sagas/registry.ts'
import { createValve, type Watch, watched, type Way } from '../../controller/sagas/testing/watch.ts'
import { Refusal } from '../../controller/domain/failures.ts'
import { createJournal } from '../../controller/store/journal.ts'
import { openStore } from '../../controller/store/open.ts'
import { registrationLoader } from '../../controller/store/registrations.ts'
import type { Tx } from '../../controller/store/store.ts'

/** Where a victim stops and says so. `nth` absent: at the commit. */
export interface Gate {
  readonly operation: string
  readonly way: Way
  readonly step: string
  readonly nth?: number
  readonly when: 'before' | 'after'
}

/** What a victim is told. */
export type ToVictim =
  /** Take operations up, under this name, and stop at the gate. `doomed`: the end of the gate's operation fails. */
  | { readonly kind: 'begin'; readonly node: string; readonly gate: Gate; readonly doomed: boolean }
  /** Go on from the gate. */
  | { readonly kind: 'go' }
  /** Let what is at work come back, and take nothing up any more. */
  | { readonly kind: 'stop' }

/** What a victim tells. */
export interface FromVictim {
  readonly kind: 'ready' | 'reached' | 'stopped'
}

/** Nobody claims a victim's operations by its lease: the test buries it. */
const LEASE_MS = 60_000
const LOG = {
  info: () => {},
  warn: () => {},
  error: (...words: readonly unknown[]) => process.stderr.write(`victim: ${JSON.stringify(words)}\n`),
}

/** A controller that is to be killed or paused: `victim.ts DATABASE_URL MASTER_KEY OWNER`, steered over IPC. */
async function main([url = '', masterKey = '', owner = '']: readonly string[]): Promise<void> {
  const store = await openStore({
    url,
    dataDir: '',
    masterKey: Buffer.from(masterKey, 'hex'),
    log: LOG,
    connections: 4,
  })
  const now: Now = { doomed: undefined, go: () => {} }
  const beside = watched(watchOf(now))
  const plugins = createPluginHost({
    storage: [simulatorStorage, linuxSan].map(beside.storage),
    hypervisors: [simulatorHypervisor, qemuHypervisor].map(beside.hypervisor),
    archives: [directoryArchive],
    movers: beside.movers(movers(store)),
    load: registrationLoader(store),
    owner,
  })
  const jobs = () => {
    if (!now.runner) throw new Error('a saga asked for the runner before it was made')
    return now.runner
  }
  const sagas = createSagas({ store, plugins, jobs })
  const begin = async ({ node, gate, doomed }: Extract<ToVictim, { kind: 'begin' }>) => {
    now.gate = gate
    now.doomed = doomed ? gate.operation : undefined
    now.runner = await startRunner<Tx>({
      journal: beside.journal(createJournal({ store, leaseMs: LEASE_MS, log: LOG })),
      sagas,
      node,
      leaseMs: LEASE_MS,
      pollMs: 20,
      patienceMs: 20_000,
      describe: describeFailure,
      log: LOG,
    })
  }
  process.on('message', (message: ToVictim) => {
    if (message.kind === 'begin') void begin(message)
    else if (message.kind === 'go') now.go()
    else void now.runner?.stop({ graceMs: 10_000 }).then(() => tell('stopped'))
  })
  // A victim ends with the test that started it.
  process.on('disconnect', () => process.exit(0))
  tell('ready')
}

/** Where the victim is: the gate before it, and what lets it go on from the one at which it stands. */
interface Now {
  gate?: Gate
  doomed: string | undefined
  go: () => void
  runner?: Runner<Tx>
}

/** Stops at the gate, and dooms as told. */
function watchOf(now: Now): Watch {
  const reached = async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    delete now.gate
    now.go = resolve
    tell('reached')
    await promise
  }
  const stand = async <Result>(here: boolean, go: () => Promise<Result>): Promise<Result> => {
    const when = here ? now.gate?.when : undefined
    if (when === 'before') await reached()
    const result = await go()
    if (when === 'after') await reached()
    return result
  }
  const at = (operation: string, step: string, way: Way) =>
    now.gate?.operation === operation && now.gate.step === step && now.gate.way === way
  return {
    call: ({ operation, step, way, nth }, go) => stand(at(operation, step, way) && now.gate?.nth === nth, () => go()),
    commit: ({ operation, step, way, ends }, go) =>
      stand(at(operation, step, way) && now.gate?.nth === undefined, async () => {
        if (ends && way === 'forward' && operation === now.doomed) throw new Refusal('INVALID', 'told to fail')
        return go()
      }),
    valve: createValve(),
  }
}

function tell(kind: FromVictim['kind']): void {
  process.send?.({ kind } satisfies FromVictim)
}

await main(process.argv.slice(2))
