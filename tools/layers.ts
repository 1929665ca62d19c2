/** A row of the layer table: who may import whom. Folders are written with `/`; `*` stands for one name. */
export interface Layer {
  readonly folder: string
  /** Folders or files it may import, besides itself. */
  readonly may: readonly string[]
  /** The same, for `import type` only. */
  readonly types?: readonly string[]
  /** What its tests, and the helpers at its root that only tests import, may import besides. */
  readonly tests?: readonly string[]
  /** True where only pure code belongs: no I/O, no clock, no chance, no async, no packages. */
  readonly pure?: true
}

/** Parts of the real system that tests run against: real daemons and archives in temporary folders, and the simulator's plug-ins. */
const REAL_PARTS = [
  'daemons/*/testing.ts',
  'plugins/storage/simulator',
  'plugins/hypervisor/simulator',
  'plugins/archive/directory',
]

/** What every part of the controller may use, but `domain` and `placement`. */
const TELEMETRY = 'controller/telemetry'

/**
 * The layer table. A folder that is not in it fails, and so does an import that is not in it. Change a row only together
 * with docs/adr/0001-layout-and-boundaries.md: an arrow added here is a decision about the whole design.
 */
const LAYERS: readonly Layer[] = [
  { folder: 'contract', may: [], pure: true },
  { folder: 'conformance', may: ['contract'], tests: REAL_PARTS },
  { folder: 'libraries/*', may: ['contract'] },
  { folder: 'plugins/storage/*', may: ['contract', 'libraries/*'], tests: ['conformance', 'daemons/*/testing.ts'] },
  { folder: 'plugins/hypervisor/*', may: ['contract', 'libraries/*'], tests: ['conformance', 'daemons/*/testing.ts'] },
  {
    folder: 'plugins/archive/*',
    may: ['contract', 'libraries/*'],
    tests: ['conformance', 'daemons/*/testing.ts', 'emulators/*'],
  },
  { folder: 'daemons/san', may: ['contract', 'libraries/*'] },
  { folder: 'daemons/hostd', may: ['contract', 'libraries/*'] },
  { folder: 'daemons/simulator', may: ['contract', 'libraries/*'] },
  // Archive plug-ins run in the mover: bytes never go through the controller. Its tests read and write a real SAN.
  { folder: 'daemons/mover', may: ['contract', 'libraries/*', 'plugins/archive/*'], tests: REAL_PARTS },
  { folder: 'controller/domain', may: ['contract'], pure: true },
  { folder: 'controller/placement', may: ['controller/domain', 'contract'], pure: true },
  {
    folder: 'controller/store',
    // Of jobs the `Journal` that it implements, with what that names and throws.
    may: ['controller/domain', 'controller/jobs/journal.ts', 'controller/jobs/saga.ts', 'contract', TELEMETRY],
  },
  { folder: 'controller/jobs', may: ['contract', TELEMETRY], tests: ['controller/store', ...REAL_PARTS] },
  {
    folder: 'controller/plugin-host',
    may: ['contract', TELEMETRY],
    // `CallRecord`: what it writes into an operation's log.
    types: ['controller/jobs/saga.ts'],
    tests: REAL_PARTS,
  },
  {
    folder: 'controller/sagas',
    may: [
      'controller/jobs',
      'controller/domain',
      'controller/placement',
      'controller/store',
      'controller/plugin-host',
      'contract',
      TELEMETRY,
    ],
    tests: ['controller', ...REAL_PARTS],
  },
  {
    folder: 'controller/reconcilers',
    // Of sagas their heads: what a reconciler finds is put right by an operation, under its locks.
    may: [
      'controller/sagas',
      'controller/jobs',
      'controller/domain',
      'controller/placement',
      'controller/store',
      'controller/plugin-host',
      'contract',
      TELEMETRY,
    ],
    tests: ['controller', ...REAL_PARTS],
  },
  {
    folder: 'controller/operations',
    may: [
      'controller/sagas',
      'controller/jobs',
      'controller/domain',
      'controller/placement',
      'controller/store',
      'contract',
      TELEMETRY,
    ],
    // `PluginHost`: what main.ts hands to every operation.
    types: ['controller/plugin-host/plugin-host.ts'],
    tests: ['controller/plugin-host', ...REAL_PARTS],
  },
  {
    folder: 'controller/api',
    may: ['controller/operations', 'controller/store/queries', TELEMETRY],
    types: ['controller/domain'],
    // Of S3: CloudStack has a command of its own for it, which speaks to that plug-in.
    tests: ['controller', 'contract', ...REAL_PARTS, 'plugins/archive/s3', 'emulators/s3'],
  },
  { folder: TELEMETRY, may: [] },
  { folder: 'controller/main.ts', may: ['**'] },
  // The commands of the command line: main.ts, taken apart so that each can be read.
  { folder: 'controller/cli', may: ['**'] },
  { folder: 'controller/*.process.test.ts', may: ['**'] },
  // A whole controller inside a test's process: composed like main.ts, used by tests only.
  { folder: 'controller/testing*.ts', may: ['**'] },
  // Tests of the clients ask a real controller.
  { folder: 'clients/api-client', may: [], tests: ['controller', ...REAL_PARTS] },
  { folder: 'clients/cli', may: ['clients/api-client'], tests: ['controller', ...REAL_PARTS] },
  { folder: 'clients/console', may: ['clients/api-client'] },
  { folder: 'emulators/*', may: [] },
  { folder: 'lab', may: ['daemons/*', 'libraries/*', 'contract', 'clients/*'] },
  { folder: 'test', may: ['**'] },
  { folder: 'tools', may: ['contract'] },
  // What is generated from the controller is generated by asking it.
  {
    folder: 'tools/generate-*.ts',
    // Of the domain its tables: classes of findings.
    may: ['contract', 'controller/store', 'controller/api', 'controller/domain', TELEMETRY],
    tests: ['controller', 'tools'],
  },
  { folder: '*.config.ts', may: ['tools/slow-tests.ts', 'tools/suites.ts'] },
]

/** True when `path` is the pattern's file or lies in its folder. */
export function within(path: string, pattern: string): boolean {
  if (pattern === '**') return true
  const wanted = pattern.split('/')
  const parts = path.split('/').slice(0, wanted.length)
  return parts.length === wanted.length && wanted.every((want, at) => matches(parts[at] ?? '', want))
}

/** The row of a file: the longest pattern that fits. `undefined`: the table does not know its folder. */
export function layerOf(path: string): Layer | undefined {
  return LAYERS.filter((layer) => within(path, layer.folder)).toSorted((a, b) => b.folder.length - a.folder.length)[0]
}

/** The folder of a file at the depth of its row: `plugins/storage/simulator` for the row `plugins/storage/*`. */
export function areaOf(path: string, layer: Layer): string {
  return path.split('/').slice(0, layer.folder.split('/').length).join('/')
}

function matches(name: string, pattern: string): boolean {
  const [before, after] = pattern.split('*')
  if (after === undefined) return name === pattern
  return name.startsWith(before ?? '') && name.endsWith(after) && name.length >= pattern.length - 1
}
