import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SagaDefinition } from '../jobs/saga.ts'
import { createPluginHost } from '../plugin-host/create.ts'
import { registrationLoader } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { testStore, type TestStore } from '../store/testing.ts'
import type { SagaDeps } from './deps.ts'
import { createSagas } from './registry.ts'

let store: TestStore
let deps: SagaDeps
let exported: readonly (readonly [string, unknown])[]
beforeAll(async () => {
  store = await testStore()
  const plugins = createPluginHost({ storage: [], hypervisors: [], load: registrationLoader(store), owner: 'nobody' })
  const jobs = () => {
    throw new Error('no saga runs here')
  }
  deps = { store, plugins, jobs }
  const files = readdirSync(import.meta.dirname).filter(
    (name) => /^[a-z-]+\.ts$/.test(name) && !name.startsWith('testing'),
  )
  const modules = await Promise.all(
    // A module is an object of what it exports.
    files.map(
      async (name) =>
        (await import(/* @vite-ignore */ pathToFileURL(join(import.meta.dirname, name)).href)) as Readonly<
          Record<string, unknown>
        >,
    ),
  )
  exported = modules.flatMap((module) => Object.entries(module))
})
afterAll(async () => store.close())

test('every saga that a file of this folder makes is in the registry', () => {
  const factories = exported.filter(([name, value]) => name.endsWith('Saga') && typeof value === 'function')
  expect(factories.length).toBeGreaterThan(15)
  const registered = createSagas(deps)
  // What is called after a saga makes one, with or without dependencies.
  const made = factories.map(([name, make]) => [name, (make as (deps: SagaDeps) => SagaDefinition<Tx>)(deps)] as const)
  expect(made.filter(([, { name }]) => !registered.has(name)).map(([name]) => name)).toEqual([])
  expect(registered.size).toBe(made.length)
})

test('every saga that can be asked for is in the registry, in the version and lane that its head says', () => {
  const heads = exported.filter(([, value]) => typeof value === 'object' && value !== null && 'submission' in value)
  const registered = createSagas(deps)
  expect(heads.length).toBe(registered.size)
  // Only heads have a `submission`.
  for (const head of heads.map(([, value]) => value as { readonly name: string; version: number; lane: string })) {
    const { name, version, lane } = head
    expect({ name, saga: registered.get(name) }).toMatchObject({ name, saga: { name, version, lane } })
  }
})

test('no two steps of one saga share a name', () => {
  const doubled = [...createSagas(deps).values()].filter(
    ({ steps }) => new Set(steps.map(({ name }) => name)).size < steps.length,
  )
  expect(doubled.map(({ name }) => name)).toEqual([])
})
