import { existsSync } from 'node:fs'
import { layout } from './layout.ts'
import { labExists, remains, removeData } from './remains.ts'
import { stopAll } from './stack.ts'

const at = layout()
const keep = process.argv.includes('--keep-data')

function say(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}

if (!labExists(at)) {
  say('nothing runs: there is no lab')
} else {
  const done = await stopAll(at)
  say(...(done.length === 0 ? ['nothing ran'] : done))
  const left = remains(at)
  if (left.length > 0) {
    say(...left.map((what) => `still there: ${what}`), `data stays in ${at.root}`)
    process.exitCode = 1
  } else if (keep) {
    say(`data stays in ${at.root}`)
  } else {
    const others = removeData(at)
    say(others.length === 0 ? `removed ${at.root}` : `removed from ${at.root} all but ${others.join(', ')}`)
    if (existsSync(at.images)) say(`the guest image stays in ${at.images}`)
  }
}
