import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { api } from './api.ts'
import { archive, archiveKills, archiveSparse } from './archive.ts'
import { audit } from './audit.ts'
import { controllers } from './controllers.ts'
import { census } from './census.ts'
import { lists } from './lists.ts'
import { operations } from './operations.ts'
import { placement } from './placement.ts'
import { pluginCall } from './plugin-call.ts'
import { qos } from './qos.ts'
import { type BenchRow, printRows } from './report.ts'
import { sanLife } from './san-life.ts'

const BENCHES = [
  pluginCall,
  sanLife,
  operations,
  controllers,
  api,
  lists,
  placement,
  audit,
  census,
  qos,
  archive,
  archiveSparse,
  archiveKills,
]

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' }, mib: { type: 'string' } },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name))
if (unknown.length > 0) {
  process.stderr.write(
    `bench: there is no ${unknown.join(', ')}; there are ${BENCHES.map((bench) => bench.name).join(', ')}\n`,
  )
  process.exit(2)
}

const rows: BenchRow[] = []
for (const bench of BENCHES) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue
  process.stdout.write(`\n${bench.name}: ${bench.about}\n`)
  const measured = await bench.run(values.mib === undefined ? {} : { mib: Number(values.mib) })
  printRows(measured)
  rows.push(...measured)
}
if (values.json !== undefined) {
  const head = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, at: new Date().toISOString() }
  writeFileSync(values.json, `${JSON.stringify({ ...head, rows }, undefined, 2)}\n`)
}
