import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lastingLeaks, RUN_VARIABLE } from './leaks.ts'
import { type Report, ROOT, type Suite, SUITES } from './suites.ts'
import { countLine, type Outcome, summaryOf } from './summary.ts'

const USAGE = `usage: test-all.ts check|all|NAME...   (names: ${SUITES.map(({ name }) => name).join(', ')})`

async function main(args: readonly string[]): Promise<void> {
  const chosen = choose(args)
  if (chosen.length === 0) {
    console.error(USAGE)
    process.exit(2)
  }
  const outcomes: Outcome[] = []
  for (const suite of chosen) outcomes.push(await run(suite))
  const line = countLine(outcomes)
  mkdirSync(`${ROOT}/.moorage`, { recursive: true })
  writeFileSync(`${ROOT}/.moorage/test-count`, `${line}\n`)
  console.log(`\n${summaryOf(outcomes)}\n\n${line}`)
  process.exitCode = outcomes.some(({ failures }) => failures.length > 0) ? 1 : 0
}

function choose(args: readonly string[]): readonly Suite[] {
  if (args.length === 1 && args[0] === 'all') return SUITES
  if (args.length === 1 && args[0] === 'check') return SUITES.filter(({ group }) => group === 'check')
  const unknown = args.filter((arg) => !SUITES.some(({ name }) => name === arg))
  return unknown.length > 0 ? [] : SUITES.filter(({ name }) => args.includes(name))
}

async function run(suite: Suite): Promise<Outcome> {
  const began = Date.now()
  const seconds = () => (Date.now() - began) / 1000
  const reason = suite.unmet?.()
  if (reason !== undefined) {
    return { suite: suite.name, seconds: 0, passed: 0, failures: [], skips: [{ name: 'the whole suite', reason }] }
  }
  console.log(`\n=== ${suite.name}: ${suite.command.join(' ')}`)
  const id = randomUUID()
  // Short, for the unix sockets inside; traversable, for the database servers that run as another user.
  const folder = mkdtempSync(join(tmpdir(), 'mrg-'))
  chmodSync(folder, 0o711)
  const reports = mkdtempSync(join(tmpdir(), 'mrg-report-'))
  const file = join(reports, 'report.json')
  const env = { ...suite.env, [RUN_VARIABLE]: id, TMPDIR: folder, MOORAGE_TEST_REPORT: file }
  const failure = await runToEnd(suite, env)
  const report = suite.result === 'report' && existsSync(file) ? read(file) : undefined
  rmSync(reports, { recursive: true })
  const failures = [...(report?.failures ?? []), ...(await clean(id, folder))]
  if (failure !== undefined && failures.length === 0) failures.push(failure)
  const passed = report?.passed ?? (failures.length === 0 ? 1 : 0)
  return { suite: suite.name, seconds: seconds(), passed, failures, skips: report?.skips ?? [] }
}

/** Why the command failed; `undefined` when it did not. */
function runToEnd(suite: Suite, env: Readonly<Record<string, string>>): Promise<string | undefined> {
  const [command, ...args] = suite.command
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...process.env, ...env },
      timeout: suite.minutes * 60_000,
    })
    child.on('error', (error) => resolve(`${command}: ${error.message}`))
    child.on('exit', (code, signal) => {
      if (code === 0) resolve(undefined)
      else
        resolve(
          signal === null ? `${command} exited with ${code}` : `ended by ${signal} (${suite.minutes} minutes at most)`,
        )
    })
  })
}

function read(file: string): Report {
  // Written by tools/run-vitest.ts or by a suite that keeps the same shape; a wrong shape fails where it is read.
  return JSON.parse(readFileSync(file, 'utf8')) as Report
}

/** Names what the suite left behind, and ends and removes it so that the next suite starts clean. */
async function clean(id: string, folder: string): Promise<string[]> {
  const leaks = await lastingLeaks(id, folder)
  for (const { pid } of leaks) {
    if (pid !== undefined) endProcess(pid)
  }
  // A mounted folder stays for its owner to look at: removing through a mount could remove what is mounted.
  if (!leaks.some(({ what }) => what.startsWith('mount'))) rmSync(folder, { recursive: true, force: true })
  return leaks.map(({ what }) => `left behind: ${what}`)
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended on its own meanwhile.
  }
}

await main(process.argv.slice(2))
