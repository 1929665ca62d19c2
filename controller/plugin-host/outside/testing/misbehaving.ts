import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync, writeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type BackendVolume, type Call, PluginError, type StoragePlugin, type VolumeId } from '@moorage/contract'

/** Descriptor of the channel to the controller, which a plug-in has no business with. */
const CHANNEL = 3

/** A plug-in that does wrong in the way that its url names, `odd://WAY`, when it is asked for a volume. */
export const plugin: StoragePlugin = {
  kind: 'storage',
  name: 'odd',
  title: 'Odd',
  contract: 1,
  shape: 'dedicated',
  managed: 'always',
  schemes: ['odd'],
  protocols: ['nbd'],
  settings: [{ name: 'password', title: 'Password', type: 'secret', required: false, description: 'A secret.' }],
  offeringSettings: [],
  open({ url, settings }) {
    const way = url.replace('odd://', '')
    if (!Object.hasOwn(WAYS, way)) throw new PluginError('INVALID', 'url: must name a way', 'none', settings)
    return {
      limits: { minVolumeBytes: 1, maxVolumeBytes: 100, granularityBytes: 1, cloneDependsOnParent: false },
      pools: { report: async () => ({ identity: way, totalBytes: 1, usedBytes: 0, version: '1' }) },
      volumes: {
        create: async ({ id }) => volume(id),
        get: async (id, call) => WAYS[way]?.(id, call, settings),
        delete: async () => {},
      },
      access: { expose: async () => ({ via: 'nbd', uri: 'nbd://x', export: 'x' }), withdraw: async () => {} },
      inventory: { list: async (cursor) => ({ items: [], next: cursor === undefined ? 'absent' : 'there' }) },
      snapshots: new Snapshots(),
    }
  },
}

/** A facet may be an instance of a class. */
class Snapshots {
  readonly #takenAt = 7
  async create({ id, volume: of }: { readonly id: never; readonly volume: VolumeId }) {
    return { id, volume: of, name: 'snapshot', bytes: 1, usedBytes: 0, takenAt: this.#takenAt }
  }
  get = async () => undefined
  async delete() {}
}

function volume(id: VolumeId, name = 'lun'): BackendVolume {
  return { id, name, bytes: 10, usedBytes: 0 }
}

type Way = (id: VolumeId, call: Call, settings: Readonly<Record<string, string>>) => Promise<unknown>

const WAYS: Readonly<Record<string, (...of: Parameters<Way>) => Promise<never>>> = {
  well: answering(async (id) => volume(id)),
  blocks: answering(async () => {
    for (;;);
  }),
  'leaks-objects': answering(async () => {
    for (const kept: object[] = []; ; await setImmediate()) kept.push(Array.from({ length: 100_000 }, () => ({})))
  }),
  'leaks-buffers': answering(async () => {
    for (const kept: Buffer[] = []; ; await setImmediate()) kept.push(Buffer.alloc(8 * 1024 * 1024, 1))
  }),
  exits: answering(async () => process.exit(7)),
  'throws-outside': answering(async () => {
    globalThis.setImmediate(() => {
      throw new Error('nobody catches this')
    })
    return new Promise(() => {})
  }),
  throws: answering(async () => {
    throw new TypeError('x is undefined')
  }),
  'tells-secrets': answering(async (_id, _call, { password }) => {
    process.stdout.write(`password is ${password}\n`)
    throw new PluginError('BUSY', `busy, says ${password}`, 'none', new Error(`cause ${password}`))
  }),
  'is-another': answering(async () => volume('another' as VolumeId)), // No id of ours: that is the point.
  'is-nan': answering(async (id) => ({ ...volume(id), bytes: Number.NaN })),
  'is-date': answering(async () => new Date()),
  'answers-others': answering(async () => writeFrame({ kind: 'answer', id: 4711 })),
  'answers-badly': answering(async () => writeFrame({ kind: 'failure', id: 2, code: 'FINE', message: 1 })),
  'writes-garbage': answering(async () => writeSync(CHANNEL, 'this is no frame at all')),
  floods: answering(async () => {
    for (;;) writeFrame({ kind: 'pong' })
  }),
  prints: answering(async (id) => {
    for (let line = 0; line < 20_000; line += 1) process.stdout.write(`line ${line}\n`)
    return volume(id)
  }),
  'never-answers': answering(() => new Promise(() => {})),
  'waits-for-cancel': answering(
    (_id, { signal }) =>
      new Promise((_, reject) => {
        process.stdout.write('the plug-in waits\n')
        signal.addEventListener('abort', () => reject(new PluginError('BUSY', 'was told to give up', 'none')))
      }),
  ),
  'looks-around': answering(async (id) => volume(id, JSON.stringify({ ...lookAround(), env: process.env }))),
}

/** What the contract does not allow is here the point. */
function answering(way: Way): (...of: Parameters<Way>) => Promise<never> {
  return async (...of) => (await way(...of)) as never // So says the doc comment: it is not what it should be.
}

function writeFrame(message: object): void {
  const body = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  try {
    writeSync(CHANNEL, Buffer.concat([head, body]))
  } catch {
    // The controller reads as fast as it likes.
  }
}

function lookAround(): Readonly<Record<string, unknown>> {
  const tries = {
    read: () => readFileSync('/etc/hostname', 'utf8'),
    write: () => writeFileSync('/tmp/moorage-must-not-be-there', ''),
    run: () => execFileSync('true'),
  }
  const { read, write, run } = tries
  const argv = [...process.argv, ...process.execArgv]
  return { read: attempt(read), write: attempt(write), run: attempt(run), argv }
}

function attempt(run: () => unknown): string {
  try {
    run()
    return 'done'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'failed'
  }
}
