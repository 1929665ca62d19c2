import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  type Architecture,
  architectureOf,
  fileCycles,
  folderCycles,
  forbiddenArrows,
  impurities,
  strayDatabases,
  undeclaredCrossings,
  unknownFolders,
} from './architecture.ts'
import { type Finding, readTree, sourceOf } from './source.ts'
import { expectNone } from './testing.ts'

type Files = Readonly<Record<string, string>>

interface TreeRule {
  readonly name: string
  readonly instead: string
  check(architecture: Architecture): readonly Finding[]
  readonly broken: readonly [Files, ...Files[]]
  readonly kept: readonly [Files, ...Files[]]
}

const manifest = (name: string, dependencies: object = {}) =>
  JSON.stringify({ name, exports: { '.': './index.ts', './testing': './testing.ts' }, dependencies })

const packages: Files = {
  'contract/package.json': manifest('@moorage/contract'),
  'controller/package.json': JSON.stringify({ name: '@moorage/controller', exports: { './*': './*' } }),
  'daemons/simulator/package.json': manifest('@moorage/simulator'),
  'plugins/storage/linux-san/package.json': manifest('@moorage/storage-linux-san', { '@moorage/contract': '1' }),
  'plugins/storage/simulator/package.json': manifest('@moorage/storage-simulator'),
}

const RULES: readonly TreeRule[] = [
  {
    name: 'every folder with code has a row in the layer table',
    instead:
      'Put the file into a folder of the table, or add a row to tools/layers.ts together with the decision behind it.',
    check: unknownFolders,
    broken: [{ 'helpers/a.ts': '' }, { 'controller/util/a.ts': '' }, { 'controller/serve.ts': '' }, { 'a.ts': '' }],
    kept: [
      { 'controller/domain/a.ts': '', 'controller/main.ts': '', 'vitest.config.ts': '', 'daemons/san/x/y.ts': '' },
    ],
  },
  {
    name: 'every import is an arrow of the layer table',
    instead:
      'Move the code to the layer that may know both, pass what is needed in as an argument, or let main.ts wire it: the ' +
      'table in tools/layers.ts is what keeps each part readable alone.',
    check: forbiddenArrows,
    broken: [
      { 'contract/a.ts': "import '@moorage/controller/domain/b.ts'" },
      { 'controller/domain/a.ts': "import { b } from '../store/b.ts'" },
      { 'controller/domain/a.ts': "import { log } from '../telemetry/log.ts'" },
      { 'controller/sagas/a.ts': "import { b } from '../operations/b.ts'" },
      { 'controller/api/a.ts': "import { b } from '../domain/b.ts'" },
      { 'controller/api/a.ts': "import type { b } from '../store/b.ts'" },
      { 'controller/store/a.ts': "import { b } from '../jobs/runner.ts'" },
      { 'controller/store/a.ts': "import type { b } from '../jobs/jobs.ts'" },
      { 'controller/sagas/a.ts': "const b = await import('@moorage/storage-simulator')" },
      { 'plugins/storage/linux-san/a.ts': "import { b } from '@moorage/storage-simulator'" },
      { 'plugins/storage/linux-san/a.ts': "import { b } from '@moorage/simulator/testing'" },
      { 'daemons/san/a.ts': "export * from '../hostd/b.ts'" },
      { 'controller/domain/a.ts': "import { b } from './b.test.ts'" },
    ],
    kept: [
      { 'controller/domain/a.ts': "import { b } from '@moorage/contract'\nimport { c } from './c.ts'" },
      { 'controller/api/a.ts': "import type { b } from '../domain/b.ts'\nimport { c } from '../store/queries/c.ts'" },
      { 'controller/api/a.ts': "import { c } from '../store/queries.ts'" },
      { 'controller/store/a.ts': "import { LostLease } from '../jobs/journal.ts'" },
      { 'controller/main.ts': "import { b } from '@moorage/storage-simulator'" },
      { 'plugins/storage/linux-san/a.test.ts': "import { b } from '@moorage/simulator/testing'" },
      { 'test/e2e/a.test.ts': "import { b } from '@moorage/controller/store/b.ts'" },
    ],
  },
  {
    name: 'packages import each other by name, and list what they import',
    instead:
      'Write `@moorage/<name>` and add it to dependencies in package.json: a package that is published alone has no `../..`.',
    check: undeclaredCrossings,
    broken: [
      { 'plugins/storage/linux-san/a.ts': "import { b } from '../../../contract/index.ts'" },
      { 'plugins/storage/simulator/a.ts': "import { b } from '@moorage/contract'" },
    ],
    kept: [
      {
        'plugins/storage/linux-san/a.ts':
          "import { b } from '@moorage/contract'\nimport { c } from './c.ts'\nimport 'pg'",
      },
    ],
  },
  {
    name: 'only the store speaks SQL',
    instead:
      'Add a function to the aggregate in controller/store: locks, retries and isolation are decided in one place.',
    check: strayDatabases,
    broken: [
      { 'controller/sagas/a.ts': "import pg from 'pg'" },
      { 'controller/api/a.ts': "import type { Kysely } from 'kysely'" },
    ],
    kept: [{ 'controller/store/a.ts': "import pg from 'pg'" }, { 'test/e2e/a.ts': "import pg from 'pg'" }],
  },
  {
    name: 'contract, domain and placement are pure',
    instead:
      'Take time, chance and the results of I/O as arguments, and let the caller await: what is pure can be tested with ' +
      'every input and gives the same answer twice.',
    check: impurities,
    broken: [
      { 'controller/domain/a.ts': "import fs from 'node:fs'" },
      { 'controller/domain/a.ts': "import { createHash, randomUUID } from 'node:crypto'" },
      { 'controller/domain/a.ts': "import 'node:crypto'" },
      { 'controller/domain/a.ts': "import { z } from 'zod'" },
      { 'controller/placement/a.ts': 'const at = Date.now()' },
      { 'controller/placement/a.ts': 'const at = new Date()' },
      { 'controller/placement/a.ts': 'const one = Math.random()' },
      { 'controller/domain/a.ts': 'async function f() {}' },
      { 'controller/domain/a.ts': 'const home = process.env' },
    ],
    kept: [
      { 'controller/domain/a.ts': 'const at = new Date(given)' },
      { 'controller/domain/a.ts': "import { createHash } from 'node:crypto'" },
      { 'controller/store/a.ts': 'const at = Date.now()' },
      { 'controller/domain/a.test.ts': "import { test } from 'vitest'\ntest('a', async () => {})" },
    ],
  },
  {
    name: 'no files import each other in a ring',
    instead: 'Move what both need into a file of its own, or let one take the other as an argument.',
    check: fileCycles,
    broken: [
      { 'lab/a.ts': "import './b.ts'", 'lab/b.ts': "import './c.ts'", 'lab/c.ts': "import './a.ts'" },
      { 'lab/a.ts': "import type { B } from './b.ts'", 'lab/b.ts': "import type { A } from './a.ts'" },
    ],
    kept: [{ 'lab/a.ts': "import './b.ts'\nimport './c.ts'", 'lab/b.ts': "import './c.ts'", 'lab/c.ts': '' }],
  },
  {
    name: 'no folders import each other in a ring',
    instead: 'Find the arrow that points back, and move its target down to where both may reach it.',
    check: folderCycles,
    broken: [
      { 'lab/x/a.ts': "import '../y/b.ts'", 'lab/y/c.ts': "import '../x/d.ts'" },
      {
        'lab/a.ts': "import '@moorage/storage-simulator'",
        'plugins/storage/simulator/index.ts': "import '../../../lab/a.ts'",
      },
    ],
    kept: [
      { 'lab/x/a.ts': "import '../y/b.ts'", 'lab/y/c.ts': "import '../z.ts'", 'lab/z.ts': "import './x/a.ts'" },
      { 'lab/x/a.ts': "import '../y/b.ts'", 'lab/y/c.test.ts': "import '../x/a.ts'" },
    ],
  },
]

const architectureOfFiles = (files: Files) =>
  architectureOf(Object.entries({ ...packages, ...files }).map(([path, text]) => sourceOf(path, text)))

const real = architectureOf(readTree(fileURLToPath(new URL('..', import.meta.url))))

describe('each rule of the layout is kept by the whole tree', () => {
  test.each(RULES.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    expectNone(rule.check(real), rule.instead)
  })
})

describe('each rule of the layout can fail, and does not fail where it should not', () => {
  test.each(RULES.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    for (const files of rule.broken) {
      expect(rule.check(architectureOfFiles(files)), `found nothing in ${JSON.stringify(files)}`).not.toEqual([])
    }
    for (const files of rule.kept) {
      expect(rule.check(architectureOfFiles(files)), `found something in ${JSON.stringify(files)}`).toEqual([])
    }
  })
})
