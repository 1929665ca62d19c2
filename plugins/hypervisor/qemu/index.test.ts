import { expect, test } from 'vitest'
import { HYPERVISOR_CAPABILITIES, PluginError } from '@moorage/contract'
import { qemuHypervisor } from './index.ts'

const good = { url: 'qemu://127.0.0.1:9100', settings: { user: 'u', password: 'p' }, owner: 'o' }

test('a host is opened without I/O and has every facet', () => {
  const adapter = qemuHypervisor.open(good)
  expect(adapter.accepts).toEqual(['iscsi', 'file', 'nbd'])
  for (const facet of HYPERVISOR_CAPABILITIES) expect(adapter[facet]).toBeDefined()
})

test('a wrong address and missing credentials are named', () => {
  const refused = (endpoint: typeof good, word: string) => {
    expect(() => qemuHypervisor.open(endpoint)).toThrow(PluginError)
    expect(() => qemuHypervisor.open(endpoint)).toThrow(word)
  }
  for (const url of ['', 'http://127.0.0.1:9100', 'qemu://127.0.0.1', 'qemu://:9100']) refused({ ...good, url }, 'url')
  refused({ ...good, settings: { user: '', password: 'p' } }, "'user'")
  refused({ ...good, settings: { user: 'u', password: '' } }, "'password'")
})

test('a host that is not there is unavailable, and nothing has happened', async () => {
  const adapter = qemuHypervisor.open({ ...good, url: 'qemu://127.0.0.1:1' })
  const call = { key: 'k', fence: 1, deadline: Date.now() + 5000, signal: AbortSignal.timeout(5000) }
  await expect(adapter.hosts.report(call)).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
})
