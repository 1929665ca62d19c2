import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { COMMANDS } from '@moorage/controller/api/registry.ts'
import { COMMANDS_PAGE, commandsPage, UNANSWERED_PAGE, unansweredPage } from './generate-commands.ts'

test('the pages of commands are those of the registry; `tools/run node tools/generate-commands.ts` renews them', () => {
  expect(readFileSync(COMMANDS_PAGE, 'utf8')).toBe(commandsPage(COMMANDS))
  expect(readFileSync(UNANSWERED_PAGE, 'utf8')).toBe(unansweredPage())
})
