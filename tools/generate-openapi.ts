import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openApiText } from '@moorage/controller/api/openapi.ts'

/** The API as an OpenAPI document. */
export const OPENAPI_FILE = join(import.meta.dirname, '../docs/reference/openapi.json')

if (import.meta.main) writeFileSync(OPENAPI_FILE, openApiText())
