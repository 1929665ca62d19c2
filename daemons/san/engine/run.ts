import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs a tool to its end; returns what it printed. Throws an error that carries what it complained about. */
export async function run(command: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(command, [...args], { timeout: 60_000 })
    return stdout
  } catch (error) {
    const complaint = (error as { stderr?: string }).stderr?.trim() // What promisify(execFile) rejects with has it.
    throw new Error(`${command} ${args.join(' ')}: ${complaint || String(error)}`, { cause: error })
  }
}
