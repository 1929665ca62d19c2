import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { COMMANDS } from '@moorage/controller/api/registry.ts'
import {
  COMMAND_PAGES,
  commandPages,
  COMMANDS_PAGE,
  commandsPage,
  UNANSWERED_PAGE,
  unansweredPage,
} from './generate-commands.ts'

test('the pages of commands are those of the registry; `tools/run node tools/generate-commands.ts` renews them', () => {
  expect(readFileSync(COMMANDS_PAGE, 'utf8')).toBe(commandsPage(COMMANDS))
  expect(readFileSync(UNANSWERED_PAGE, 'utf8')).toBe(unansweredPage())
  const pages = commandPages(COMMANDS)
  expect(readdirSync(COMMAND_PAGES).toSorted()).toEqual([...pages.keys()].toSorted())
  for (const [name, page] of pages) expect(readFileSync(join(COMMAND_PAGES, name), 'utf8')).toBe(page)
})
