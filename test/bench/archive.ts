import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { MoverJob } from '@moorage/contract'
import { moverCall, startMover, type TestMover } from '@moorage/mover/testing'
import { changeImage, makeImage } from './archive/image.ts'
import { measureLimits } from './archive/limits.ts'
import type { Measured } from './archive/measure.ts'
import { Ours } from './archive/ours.ts'
import { installPeers, makePeers } from './archive/peers.ts'
import type { Bench, BenchRow } from './report.ts'

const MIB = 1024 * 1024
const GIB_MIB = 1024
const KILLS = 20

/** Full, increment and restore, against other programs in the same run. */
export const archive: Bench = {
  name: 'archive',
  about:
    'an image of 4 GiB (or --mib), 40 % holes or zeros, 30 % text, 30 % random; seconds, CPU, memory, what is stored',
  run: (options) =>
    inDirectory(async (directory, mover) => compare({ directory, mover, mib: options.mib ?? 4 * GIB_MIB })),
}

/** The same changes in an image that is sixteen times as large and has as much in it. */
export const archiveSparse: Bench = {
  name: 'archive-sparse',
  about: 'the image of 4 GiB (or --mib) in one of sixteen times that, all holes behind: full, and the same increment',
  run: (options) =>
    inDirectory(async (directory, mover) => sparse({ directory, mover, mib: options.mib ?? 4 * GIB_MIB })),
}

/** A mover that is killed again and again. */
export const archiveKills: Bench = {
  name: 'archive-kills',
  about: `a mover killed at ${KILLS} random moments of an archive of 4 GiB (or --mib): what is sent twice`,
  run: (options) =>
    inDirectory(async (directory, mover) => kills({ directory, mover, mib: options.mib ?? 4 * GIB_MIB })),
}

interface Place {
  readonly directory: string
  readonly mover: TestMover
  readonly mib: number
}

async function inDirectory(
  run: (directory: string, mover: TestMover) => Promise<readonly BenchRow[]>,
): Promise<readonly BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const mover = await startMover()
  try {
    return await run(directory, mover)
  } finally {
    await mover.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function compare({ directory, mover, mib }: Place): Promise<readonly BenchRow[]> {
  installPeers()
  const image = makeImage(join(directory, 'image'), mib * MIB)
  const to = join(directory, 'restored')
  const limits = measureLimits(image, to)
  const rows: BenchRow[] = [
    { bench: 'archive', case: 'sum of the parts', value: limits.seconds, unit: 's', note: limits.note },
  ]
  const [clear, sealed] = [new Ours(mover, join(directory, 'clear')), new Ours(mover, join(directory, 'sealed'))]
  await clear.prepare('in clear')
  await sealed.prepare('encrypted')
  const ours = await clear.store(image)
  rows.push(
    row('full, mover (in clear)', ours, {
      stored: clear.storedMib(),
      ratio: limits.seconds / ours.seconds,
      goal: '>= 0.75 of the parts',
    }),
  )
  rows.push(row('full, mover (encrypted)', await sealed.store(image), { stored: sealed.storedMib() }))
  const peers = makePeers(directory)
  for (const peer of peers) rows.push(row(`full, ${peer.name}`, await peer.store(image), { stored: peer.storedMib() }))
  rows.push(row('restore, mover (in clear)', await clear.restore(image, to)))
  rmSync(to)
  for (const peer of peers) rows.push(row(`restore, ${peer.name}`, await peer.restore(to)))
  const changes = changeImage(image, mib * MIB)
  const before = clear.storedMib()
  const increment = await clear.store(image, changes)
  const times: number[] = []
  for (const peer of peers.filter(({ name }) => /restic|borg/.test(name))) {
    const had = peer.storedMib()
    const measured = await peer.store(image)
    times.push(measured.seconds)
    rows.push(row(`increment of 2 %, ${peer.name}`, measured, { stored: peer.storedMib() - had }))
  }
  const ratio = Math.min(...times) / increment.seconds
  rows.push(
    row('increment of 2 %, mover', increment, {
      stored: clear.storedMib() - before,
      ratio,
      goal: '>= 8 times as fast',
    }),
  )
  await clear.verify()
  await sealed.verify()
  return rows
}

async function sparse({ directory, mover, mib }: Place): Promise<readonly BenchRow[]> {
  installPeers()
  const image = makeImage(join(directory, 'image'), mib * MIB, 16 * mib * MIB)
  const ours = new Ours(mover, join(directory, 'clear'))
  await ours.prepare('in clear')
  const name = (what: string) => `${(16 * mib) / GIB_MIB} GiB sparse, ${what}`
  const rows = [
    row(name('full, mover'), await ours.store(image), { stored: ours.storedMib(), goal: '< 400 MiB of memory' }),
  ]
  const peers = makePeers(directory).filter(({ name }) => /restic|borg/.test(name))
  for (const peer of peers)
    rows.push(row(name(`full, ${peer.name}`), await peer.store(image), { stored: peer.storedMib() }))
  const changes = changeImage(image, mib * MIB)
  const increment = await ours.store(image, changes)
  const times: number[] = []
  for (const peer of peers) {
    const measured = await peer.store(image)
    times.push(measured.seconds)
    rows.push(row(name(`increment, ${peer.name}`), measured))
  }
  rows.push(
    row(name('increment, mover'), increment, {
      ratio: Math.min(...times) / increment.seconds,
      goal: '>= 50 times as fast',
    }),
  )
  await ours.verify()
  return rows
}

async function kills({ directory, mover, mib }: Place): Promise<readonly BenchRow[]> {
  const image = makeImage(join(directory, 'image'), mib * MIB)
  const [whole, killed] = [new Ours(mover, join(directory, 'whole')), new Ours(mover, join(directory, 'killed'))]
  await whole.prepare('in clear')
  const { seconds } = await whole.store(image)
  const once = whole.sentBytes()
  whole.dispose()
  await killed.prepare('in clear')
  const task = killed.task(image)
  let hits = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    await mover.mover.submit(task, moverCall())
    await pause(randomInt(50, Math.ceil(seconds * 1000)))
    const job: MoverJob | undefined = await mover.mover.job(task.id, moverCall())
    if (job?.state === 'done') break
    await mover.kill('SIGKILL')
    await mover.restart()
    hits += 1
  }
  await mover.run(task)
  await killed.verify()
  const again = (killed.sentBytes() - once) / once
  const note = `${hits} kills hit; ${Math.round(once / MIB)} MiB when nobody is killed`
  return [{ bench: 'archive-kills', case: 'sent again', value: again * 100, unit: '%', goal: '< 5 %', note }]
}

function row(
  what: string,
  { seconds, cpuSeconds, peakMib }: Measured,
  more: { readonly stored?: number; readonly ratio?: number; readonly goal?: string } = {},
): BenchRow {
  const { stored, ...rest } = more
  const note = `CPU ${cpuSeconds.toFixed(2)} s, peak ${Math.round(peakMib)} MiB`
  const bench = 'archive'
  return {
    bench,
    case: what,
    value: seconds,
    unit: 's',
    ...rest,
    note: stored === undefined ? note : `${note}, stored ${Math.round(stored)} MiB`,
  }
}
