import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openApiText } from '@moorage/controller/api/openapi.ts'
import { OPENAPI_FILE } from './generate-openapi.ts'

test('the OpenAPI document is that of the registry; `tools/run node tools/generate-openapi.ts` renews it', () => {
  expect(readFileSync(OPENAPI_FILE, 'utf8') === openApiText()).toBe(true)
})
