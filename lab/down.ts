import { rmSync } from 'node:fs'
import { layout } from './layout.ts'
import { labExists, stopAll } from './stack.ts'

const at = layout()
const keep = process.argv.includes('--keep-data')
if (!labExists(at)) {
  process.stdout.write('nothing runs: there is no lab\n')
} else {
  const done = await stopAll(at)
  process.stdout.write(done.length === 0 ? 'nothing ran\n' : `${done.join('\n')}\n`)
  if (!keep) rmSync(at.root, { recursive: true, force: true })
  process.stdout.write(
    keep ? `data stays in ${at.root}\n` : `removed ${at.root}; the guest image stays in ${at.images}\n`,
  )
}
