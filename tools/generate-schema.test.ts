import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { testStore } from '@moorage/controller/store/testing.ts'
import { SCHEMA_FILE, schemaSource } from './generate-schema.ts'

test('the table types in store/generated are those of the migrations; `tools/run node tools/generate-schema.ts` renews them', async () => {
  const store = await testStore()
  const source = await schemaSource(store.reader)
  await store.close()
  expect(readFileSync(SCHEMA_FILE, 'utf8')).toBe(source)
})
