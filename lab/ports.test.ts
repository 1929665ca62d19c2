import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { layoutAt } from './layout.ts'
import { checkPorts } from './ports.ts'

test('a port that another program holds is named, with what to do about it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'moorage-ports-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // A TCP server that listens has one.
  const at = layoutAt(root, { api: port, integration: port, san: port, hostd: port, portal: port, mover: port })
  const said = `another program listens on 127.0.0.1:${port}: choose other ports with MOORAGE_LAB_PORT`
  await expect(checkPorts(at, ['api'])).rejects.toThrow(said)
  await new Promise((resolve) => server.close(resolve))
  await expect(checkPorts(at, ['api'])).resolves.toBeUndefined()
})
