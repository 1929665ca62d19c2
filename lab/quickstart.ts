import { parseArgs } from 'node:util'
import { layout, type Layout } from './layout.ts'
import { checkPorts } from './ports.ts'
import { whatIsMissing } from './probe.ts'
import { groundOf, labGuest, labVerifier, vaultOf } from './parts.ts'
import { admin, adminApi, buildGuest, startController, startHostd, startMover, startSan } from './stack.ts'
import { terminal, type Terminal } from './terminal.ts'
import { archiveAndRestore, prepareVault, type Vault } from './tour/archive.ts'
import { prepareGround } from './tour/ground.ts'
import { simulatedTour } from './tour/simulated.ts'
import { cleanUp, snapshotAndRevert, volumeFromSnapshot } from './tour/snapshot.ts'
import { createAndAttach, measureQos, resize, type Tour, tryToBreakIn, writePattern } from './tour/volume.ts'

/** `brief`: what takes half a minute to measure is left out. */
interface Options {
  readonly brief: boolean
}

/** The main job on a fresh machine: starts everything and takes the tour, on real parts where they can run. */
async function quickstart(options: Options): Promise<void> {
  const at = layout()
  const out = terminal()
  const missing = whatIsMissing()
  out.heading('Moorage: the main job, end to end')
  out.note(`everything below ${at.root}; make down ends what this starts`)
  if (missing.length > 0) {
    out.heading('The array and the hosts are SIMULATED on this machine, because:')
    for (const reason of missing) out.note(reason)
    await checkPorts(at, ['api', 'integration'])
    await simulatedTour(at, out)
  } else {
    await checkPorts(at, ['api', 'integration', 'san', 'hostd', 'portal', 'mover'])
    await realTour(at, out, options)
  }
  out.table()
  farewell(at, missing.length === 0)
}

async function realTour(at: Layout, out: Terminal, options: Options): Promise<void> {
  out.heading('Starting')
  await buildGuest(at, out)
  await Promise.all([startSan(at, out), startHostd(at, out), startMover(at, out)])
  await startController(at, out)
  out.heading('Registering')
  const api = adminApi(at)
  const cloud = await prepareGround(api, groundOf(at, 'guest'), out)
  const vault = vaultOf(at)
  await prepareVault({ api, out, cloud }, vault)
  out.heading('The tour')
  const tour: Tour = { api, out, cloud, guest: labGuest(at, cloud.vm), verifier: labVerifier(at) }
  await tourOf(tour, vault, options)
}

async function tourOf(tour: Tour, vault: Vault, { brief }: Options): Promise<void> {
  const volume = await createAndAttach(tour)
  const digest = await writePattern(tour, volume)
  if (!brief) await measureQos(tour, volume)
  await tryToBreakIn(tour, volume)
  const snapshot = await snapshotAndRevert(tour, volume, digest)
  const clone = await volumeFromSnapshot(tour, volume, snapshot.id)
  await resize(tour, volume)
  const restored = await archiveAndRestore(tour, vault, { volume, snapshot })
  await cleanUp(tour, [clone.id, restored], snapshot.id)
}

function farewell(at: Layout, real: boolean): void {
  const { username, password, apiKey, secretKey } = admin(at)
  const url = `http://${at.listen.api}`
  const lines = [
    '',
    `  The controller stays up on ${url} (API: ${url}/client/api).`,
    `  user       ${username} / ${password}`,
    `  api key    ${apiKey}`,
    `  secret key ${secretKey}`,
    real ? `  iSCSI      ${at.listen.portal}` : '  iSCSI      none: the array is simulated',
    '',
    '  Three things to try:',
    `    curl -s 'http://${at.listen.integration}/client/api?command=listVolumes&response=json'`,
    `    export CLOUDSTACK_ENDPOINT=${url}/client/api CLOUDSTACK_KEY=${apiKey} CLOUDSTACK_SECRET=${secretKey}`,
    '    python3 -m cs listStoragePools    # apt-get install python3-cs, or pip install cs',
    '    python3 -m cs runCensus; python3 -m cs listCensusFindings',
    '',
    '  make down ends all of it.',
    '',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

try {
  const { values } = parseArgs({ options: { brief: { type: 'boolean', default: false } } })
  await quickstart(values)
} catch (error) {
  process.stderr.write(`\nquickstart: ${error instanceof Error ? error.message : String(error)}\n`)
  process.stderr.write(`logs: ${layout().root}/*.log; make down ends what was started\n`)
  process.exitCode = 1
}
