import { directoryArchive } from '@moorage/archive-directory'
import { s3Archive } from '@moorage/archive-s3'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { simulatorHypervisor } from '@moorage/hypervisor-simulator'
import { fileStorage } from '@moorage/storage-file'
import { linuxSan } from '@moorage/storage-linux-san'
import { simulatorStorage } from '@moorage/storage-simulator'
import { openApiText } from './api/openapi.ts'
import { readArguments, USAGE, UsageError } from './cli/arguments.ts'
import { type ExpectedLink, verdictText, verifyAuditIn } from './cli/audit.ts'
import { readKeys } from './cli/keys.ts'
import { nodeIdentity } from './cli/node-identity.ts'
import { serve } from './cli/serve.ts'
import type { Plugins } from './cli/serve.ts'
import { stopSimulator } from './cli/simulator-daemon.ts'
import { createLogger } from './telemetry/logger.ts'

/** What ships with us. */
const PLUGINS: Plugins = {
  storage: [linuxSan, fileStorage, simulatorStorage],
  hypervisors: [qemuHypervisor, simulatorHypervisor],
  archives: [directoryArchive, s3Archive],
}

/** Follows the command line. */
async function main(argv: readonly string[]): Promise<void> {
  const asked = readArguments(argv)
  if (asked.command === 'openapi') process.stdout.write(openApiText())
  else if (asked.command === 'help') process.stdout.write(USAGE)
  else if (asked.command === 'serve') await serveLogged(asked)
  else if (asked.command === 'keys') printKeys(await readKeys(asked.data))
  else if (asked.command === 'audit verify') await audit(asked)
  else process.stdout.write(`simulator: ${await stopSimulator(asked.data)}\n`)
}

async function audit({ data, expect }: { readonly data: string; readonly expect: ExpectedLink | undefined }) {
  const verdict = await verifyAuditIn(data, expect)
  process.stdout.write(verdictText(verdict))
  if (verdict.faults.length > 0) process.exitCode = 1
}

function printKeys(keys: Awaited<ReturnType<typeof readKeys>>): void {
  process.stdout.write(`${JSON.stringify(keys, undefined, 2)}\n`)
  const how = 'with cs: CLOUDSTACK_KEY=apiKey CLOUDSTACK_SECRET=secretKey cs listZones'
  process.stderr.write(`API keys of ${keys.username}; ${how}\n`)
}

async function serveLogged(asked: Parameters<typeof serve>[0]): Promise<void> {
  const log = createLogger({ level: asked.logLevel, name: 'controller', node: nodeIdentity() })
  try {
    await serve(asked, PLUGINS, log)
    log.info({}, 'stopped')
  } catch (error) {
    log.fatal({ err: error }, 'the controller could not go on')
    throw error
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`moorage: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
