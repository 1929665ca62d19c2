import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { COMMANDS } from '@moorage/controller/api/registry.ts'
import { CLIENT_FILE, clientText } from './generate-client.ts'

test('the typed client is that of the registry; `tools/run node tools/generate-client.ts` renews it', () => {
  expect(readFileSync(CLIENT_FILE, 'utf8')).toBe(clientText(COMMANDS))
})
