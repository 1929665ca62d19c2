import { hash } from 'node:crypto'
import { once } from 'node:events'
import { type FileHandle, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import * as Contract from '@moorage/contract'
import { connectQmp, type QmpClient, type QmpLineError } from '@moorage/qmp'

const MIB = 1024 * 1024
const limits = { minVolumeBytes: MIB, maxVolumeBytes: 8 * MIB ** 2, granularityBytes: MIB, cloneDependsOnParent: false }

/**
 * A directory of sparse files, served to the hosts of its machine by one qemu-storage-daemon, whose monitor is `qmp` there
 * and whose NBD server is `nbd`. The monitor takes one client at a time: whoever has it has the pool to itself.
 */
export const plugin: Contract.StoragePlugin = {
  kind: 'storage',
  name: 'nbd-files',
  title: 'Sparse files over NBD',
  contract: 1,
  shape: 'dedicated',
  managed: 'always',
  schemes: ['nbd-files'],
  protocols: ['nbd'],
  settings: [],
  offeringSettings: [],
  open({ url, owner }) {
    const [, dir] = /^nbd-files:\/\/(\/[^\s?#]*)$/.exec(url) ?? []
    if (dir === undefined) throw refusal('INVALID', 'url: must read nbd-files:///DIRECTORY')
    const pool = poolOf(dir, owner)
    return { limits, pools: pools(pool), volumes: volumes(pool), access: access(pool), inventory: inventory(pool) }
  },
}

type Pool = ReturnType<typeof poolOf>
type Work<Result> = (qmp: QmpClient) => Promise<Result>
/** ID.json: whose a volume is, and its highest fence. There before the volume is made, and after it is deleted. */
type Mark = { readonly owner: string; readonly fence: number } | undefined

function poolOf(dir: string, us: string) {
  const path = (name: string) => `${dir}/${name}`
  const mark = async (id: string) =>
    JSON.parse((await readFile(path(`${id}.json`), 'utf8').catch(absent)) ?? 'null') as Mark // As it was put there.
  const owns = async (id: string) => (await mark(id))?.owner === us
  const volume = async (id: Contract.VolumeId) => {
    const file = (await owns(id)) ? await stat(path(`${id}.img`)).catch(absent) : undefined
    return file && { id, name: `${id}.img`, bytes: file.size, usedBytes: file.blocks * 512 }
  }
  /** Makes or replaces a file as a whole, and so that it lasts. */
  const put = async (name: string, fill: (file: FileHandle) => Promise<void>) => {
    await using file = await open(path(`${name}.new`), 'w')
    await fill(file)
    await file.sync()
    await rename(path(`${name}.new`), path(name))
    await using folder = await open(dir)
    await folder.sync()
  }
  /** Runs `work` while nobody else has the pool. Says what goes wrong in words of the contract. */
  const alone = async <Result>(call: Contract.Call, effect: Contract.Effect, work: Work<Result>) => {
    const left = call.deadline - Date.now()
    if (call.signal.aborted || left <= 0) throw refusal('TIMEOUT', 'the time is up')
    const end = AbortSignal.any([call.signal, AbortSignal.timeout(left)])
    const late = once(end, 'abort').then(() => Promise.reject(refusal('TIMEOUT', 'the time is up', effect)))
    const run = async () => {
      const qmp = await connectQmp({ path: path('qmp'), timeoutMs: 5000 })
      return (end.aborted ? late : work(qmp)).finally(() => qmp.close())
    }
    // Whoever gives up waits no longer; what has begun still ends before anybody else has the pool.
    return Promise.race([late, run()]).catch((error: unknown) => Promise.reject(inWords(error, effect)))
  }
  /** Runs `work` on a volume that is not foreign, once the fence has been accepted and recorded. */
  const change = async <Result>(id: string, call: Contract.Call, work: Work<Result>) =>
    alone(call, 'possible', async (qmp) => {
      const { owner, fence } = (await mark(id)) ?? { owner: us, fence: 0 }
      if (owner !== us) throw refusal('DENIED', `${id} belongs to another installation`)
      if (call.fence < fence) throw refusal('FENCED', `fence ${call.fence} is below ${fence}`)
      await put(`${id}.json`, (file) => file.writeFile(JSON.stringify({ owner, fence: call.fence })))
      return work(qmp)
    })
  return { dir, us, path, mark, owns, volume, put, alone, change }
}

function pools({ dir, alone }: Pool): Contract.PoolFacet {
  const report = async (qmp: QmpClient) => {
    const { blocks, bsize, bfree } = await statfs(dir)
    const { ino, birthtimeMs } = await stat(dir)
    const { package: version } = await qmp.execute<{ readonly package: string }>('query-version')
    const [identity, totalBytes, usedBytes] = [`${ino}-${birthtimeMs}`, blocks * bsize, (blocks - bfree) * bsize]
    return { identity, totalBytes, usedBytes, version }
  }
  return { report: (call) => alone(call, 'none', report) }
}

function volumes({ dir, path, volume, put, alone, change }: Pool): Contract.VolumeFacet {
  const create = async (id: Contract.VolumeId, wanted: number) => {
    const bytes = Math.ceil(wanted / MIB) * MIB
    if (wanted < MIB || bytes > limits.maxVolumeBytes) throw refusal('LIMIT', `no volume has ${wanted} bytes`)
    const there = await volume(id)
    if (there && there.bytes !== bytes) throw refusal('CONFLICT', `it has ${there.bytes} bytes`)
    if (there) return there
    const { blocks, bsize } = await statfs(dir)
    if (bytes > blocks * bsize) throw refusal('NO_SPACE', `the pool has ${blocks * bsize} bytes`)
    await put(`${id}.img`, (file) => file.truncate(bytes))
    return { id, name: `${id}.img`, bytes, usedBytes: 0 }
  }
  const remove = async (id: Contract.VolumeId, qmp: QmpClient) => {
    if ((await exportsOf(qmp)).some((each) => each.volume === id)) throw refusal('IN_USE', 'it is exposed')
    await rm(path(`${id}.img`), { force: true })
  }
  return {
    create: ({ id, bytes }, call) => change(id, call, () => create(id, bytes)),
    get: (id, call) => alone(call, 'none', () => volume(id)),
    delete: (id, call) => change(id, call, (qmp) => remove(id, qmp)),
  }
}

function access({ us, path, mark, volume, alone, change }: Pool): Contract.AccessFacet {
  const expose = async (asked: Contract.Exposure, qmp: QmpClient): Promise<Contract.Connection> => {
    const { source, consumer, mode } = asked
    const found = source.kind === 'volume' ? await volume(source.id) : undefined
    if (!found) throw refusal('NOT_FOUND', `there is no ${source.kind} ${source.id}`)
    const there = (await exportsOf(qmp)).find((each) => each.volume === found.id && each.consumer === consumer.id)
    if (there && there.mode !== mode) throw refusal('CONFLICT', 'it is exposed in another mode')
    const [id, writable] = [`${mode}.${found.id}.${consumer.id}`, mode === 'rw']
    if (!there) {
      await unexport(id, qmp)
      const file = { driver: 'file', filename: path(found.name), locking: 'off' }
      await qmp.execute('blockdev-add', { driver: 'raw', 'node-name': nodeOf(id), 'read-only': !writable, file })
      await qmp.execute('block-export-add', { type: 'nbd', id, name: id, 'node-name': nodeOf(id), writable })
    }
    return { via: 'nbd', uri: `nbd+unix:///?socket=${path('nbd')}`, export: id }
  }
  return {
    expose: (exposure, call) => change(exposure.source.id, call, (qmp) => expose(exposure, qmp)),
    async withdraw({ source: { id }, consumer }, call) {
      const { owner } = (await alone(call, 'none', () => mark(id))) ?? { owner: us }
      // What others gave is not taken away: by us it was never given.
      if (owner !== us) return
      await change(id, call, async (qmp) => {
        for (const mode of ['rw', 'ro']) await unexport(`${mode}.${id}.${consumer.id}`, qmp)
      })
    },
  }
}

/** Ends an export with its sessions, once their last request is done, and what a caller that died may have left of it. */
async function unexport(id: string, qmp: QmpClient): Promise<void> {
  if ((await exportsOf(qmp)).some((each) => each.id === id)) {
    await qmp.execute('block-export-del', { id, mode: 'hard' })
    await qmp.waitFor('BLOCK_EXPORT_DELETED', { where: (data) => data['id'] === id, timeoutMs: 30_000 })
  }
  const nodes = await qmp.execute<readonly { readonly 'node-name': string }[]>('query-named-block-nodes')
  const node = nodeOf(id)
  if (nodes.some((each) => each['node-name'] === node)) await qmp.execute('blockdev-del', { 'node-name': node })
}

/** Their ids read `MODE.VOLUME.HOST`; names of nodes have less room. */
async function exportsOf(qmp: QmpClient) {
  const found = await qmp.execute<readonly { readonly id: string }[]>('query-block-exports')
  return found.map(({ id }) => {
    const [mode, volume, consumer] = id.split('.') as [Contract.AccessMode, Contract.VolumeId, Contract.HostId] // As above.
    return { id, mode, volume, consumer }
  })
}

function nodeOf(id: string): string {
  return `n${hash('sha256', id).slice(0, 30)}`
}

function inventory({ dir, path, owns, alone }: Pool): Contract.InventoryFacet {
  const list = async (qmp: QmpClient) => {
    const items: Contract.InventoryItem[] = []
    for (const name of (await readdir(dir)).filter((each) => each.endsWith('.img'))) {
      const id = name.slice(0, -'.img'.length) as Contract.VolumeId // It is one, when the volume is ours.
      const item = { kind: 'volume', name, bytes: (await stat(path(name))).size } as const
      items.push((await owns(id)) ? { ...item, owner: 'ours', id } : { ...item, owner: 'foreign' })
    }
    for (const { id: name, volume: id, consumer, mode } of await exportsOf(qmp)) {
      const [item, source] = [{ kind: 'exposure', name, bytes: 0 } as const, { kind: 'volume', id } as const]
      items.push((await owns(id)) ? { ...item, owner: 'ours', source, consumer, mode } : { ...item, owner: 'foreign' })
    }
    return { items }
  }
  return { list: (_, call) => alone(call, 'none', list) }
}

function inWords(error: unknown, effect: Contract.Effect): Contract.PluginError {
  if (error instanceof Contract.PluginError) return error
  const { message, code, failure } = error as QmpLineError & NodeJS.ErrnoException // One of them, or a QmpError.
  const what = code === 'ENOSPC' ? 'NO_SPACE' : failure === 'timeout' ? 'TIMEOUT' : 'UNAVAILABLE'
  return new Contract.PluginError(what, message, effect, error)
}

/** For `catch`, where a file need not be there. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function refusal(code: Contract.FailureCode, message: string, effect: Contract.Effect = 'none') {
  return new Contract.PluginError(code, message, effect)
}
