import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
beforeAll(async () => {
  controller = await startController()
  await makeGround(controller)
})
afterAll(() => controller.stop())

async function register(more: Asked = {}): Promise<string> {
  const asked = { name: 'changed', url: 'image://none', format: 'RAW', hypervisor: 'Simulator', ...more }
  return textOf(await controller.api.run('registerTemplate', asked), 'id')
}

describe('a template', () => {
  test('is called otherwise, and of another OS type', async () => {
    const { api } = controller
    const id = await register()
    const [, linux = {}] = await api.list('listOsTypes')
    const asked = { id, name: 'new', displaytext: 'a text', ostypeid: textOf(linux, 'id'), format: 'raw' }
    const changed = { id, name: 'new', displaytext: 'a text', format: 'RAW', ostypeid: textOf(linux, 'id') }
    expect(await api.run('updateTemplate', asked)).toMatchObject(changed)
    expect(await api.run('updateTemplate', { id })).toMatchObject({ ...changed, ostypename: linux['description'] })
    const [other = {}] = await api.list('listOsTypes', { description: 'Other (64-bit)' })
    expect(await api.list('listTemplates', { templatefilter: 'all', id: await register() })).toMatchObject([
      { ostypeid: textOf(other, 'id'), ostypename: 'Other (64-bit)' },
    ])
  })

  test('tells operators who sees it, and where it belongs', async () => {
    const { api } = controller
    const id = await register()
    expect(await api.run('listTemplatePermissions', { id })).toMatchObject({ id, ispublic: false })
    await api.run('updateTemplatePermissions', { id, ispublic: true })
    expect(await api.run('listTemplatePermissions', { id })).toMatchObject({
      ispublic: true,
      domainid: textOf((await api.list('listDomains'))[0] ?? {}, 'id'),
    })
    const tenant = await controller.user()
    expect(await tenant.refuses('listTemplatePermissions', { id })).toMatch(/^432 /)
  })

  test('is seen by everybody, or not', async () => {
    const { api } = controller
    const user = await controller.user()
    const id = await register()
    const seen = async () => (await user.list('listTemplates', { templatefilter: 'featured', name: 'changed' })).length
    expect(await seen()).toBe(0)
    await api.ask('updateTemplatePermissions', { id, ispublic: true, isfeatured: true })
    expect(await seen()).toBe(1)
    await api.ask('updateTemplatePermissions', { id, isfeatured: false })
    expect(await seen()).toBe(0)
    expect(await user.list('listTemplates', { templatefilter: 'executable', id })).toHaveLength(1)
  })

  test.each([
    ['updateTemplate', { format: 'QCOW2' }, /format: the image of the template is RAW/],
    ['updateTemplate', { name: '' }, /name: it must not be empty/],
    ['updateTemplate', { ostypeid: '17' }, /ostypeid: it must be an id that listOsTypes lists/],
    ['updateTemplate', { passwordenabled: true }, /passwordenabled: it is not supported here/],
    ['updateTemplatePermissions', { isextractable: true }, /isextractable: it is not supported here/],
    ['updateTemplatePermissions', { op: 'add', accounts: 'other' }, /parameter op: it is not supported here/],
  ])('is not changed by %s with %j', async (command, wrong, text) => {
    const { api } = controller
    const id = await register()
    const [before] = await api.list('listTemplates', { templatefilter: 'all', id })
    const said = await api.refuses(command, { id, ispublic: true, displaytext: 'not this', ...wrong })
    expect(said).toMatch(/^431 /)
    expect(said).toMatch(text)
    expect((await api.list('listTemplates', { templatefilter: 'all', id }))[0]).toEqual(before)
  })
})
