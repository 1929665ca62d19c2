import { expect, test } from 'vitest'
import { createLogger } from './logger.ts'

function captured(): { readonly lines: string[]; readonly write: (line: string) => void } {
  const lines: string[] = []
  return { lines, write: (line) => void lines.push(line) }
}

test('a log line is JSON with time, level and message, and holds no secret at any level down to the fourth', () => {
  const out = captured()
  const log = createLogger({}, out)
  const chap = { user: 'tenant', secret: 'geheim' }
  log.info(
    { pool: { connection: { chap }, settings: { token: 'geheim' } }, password: 'geheim', safe: 'visible' },
    'pool opened',
  )
  log.info({ a: { b: { c: { secret: 'geheim' } } } }, 'deep')
  const line: unknown = JSON.parse(out.lines[0] ?? '')
  expect(line).toMatchObject({ level: 'info', msg: 'pool opened', safe: 'visible', password: '[redacted]' })
  expect(out.lines.join('')).not.toContain('geheim')
  expect(Date.parse((line as { readonly time: string }).time)).toBeGreaterThan(0) // asserted above to be the log line
})
