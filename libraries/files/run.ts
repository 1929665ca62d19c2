import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Call, PluginError } from '@moorage/contract'

const execute = promisify(execFile)

/** 100,000 extents are 8 MB of text. */
const MOST_OUTPUT = 512 * 1024 * 1024

/**
 * Runs a tool to its end, or until the call's time is up; answers what it printed. Throws an error that carries what it
 * complained about.
 */
export async function run(tool: string, args: readonly string[], call: Call): Promise<string> {
  const timeout = Math.max(1, call.deadline - Date.now())
  try {
    const { stdout } = await execute(tool, [...args], { timeout, signal: call.signal, maxBuffer: MOST_OUTPUT })
    return stdout
  } catch (error) {
    if (call.signal.aborted || call.deadline <= Date.now()) {
      throw new PluginError('TIMEOUT', `${tool} did not end in time`, 'possible', error)
    }
    const complaint = (error as { stderr?: string }).stderr?.trim() // What promisify(execFile) rejects with has it.
    throw new Error(`${tool} ${args.join(' ')}: ${complaint || String(error)}`, { cause: error })
  }
}
