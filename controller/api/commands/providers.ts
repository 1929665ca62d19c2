import type { System } from '../../operations/context.ts'
import type { RegistrationForm } from '../../operations/settings.ts'
import { defineCommand, OPERATORS_READING } from '../command.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { choice } from '../params.ts'
import { field } from '../shape.ts'

const list = defineCommand({
  name: 'listStorageProviders',
  kind: 'sync',
  description: 'Lists storage providers: the plug-ins that speak to arrays, or to image stores.',
  roles: OPERATORS_READING,
  params: {
    keyword,
    type: choice(['primary', 'image', 'object'], { required: true, description: 'the type of storage provider' }),
  },
  response: {
    // The key is in mixed case there, and clients read it so.
    key: 'dataStoreProvider',
    list: true,
    shape: {
      name: field.string('the name of the storage provider'),
      type: field.string('the type of the storage provider: primary or image provider'),
      title: field.string('what it speaks to, for people'),
      managed: field.string('always, or optional: whether its pools must be managed'),
      shape: field.string('dedicated: one back-end volume per volume; shared: volumes are carved from one'),
      schemes: field.strings('what the url of a pool begins with'),
      protocols: field.strings('how hosts reach volumes'),
      settings: field.list(
        {
          name: field.string('name of the detail'),
          title: field.string('its name for people'),
          type: field.string('string, integer, boolean or secret'),
          required: field.boolean('whether a registration needs it'),
          oneof: field.strings('accepted values; absent: any'),
          description: field.string('what it is for'),
        },
        'what createStoragePool and addImageStore take as details',
      ),
    },
  },
  async run({ system, params, page }) {
    const part = params.keyword?.toLowerCase() ?? ''
    const all = providersOf(system, params.type)
      .filter(({ name }) => name.toLowerCase().includes(part))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    return { list: cut(all, page), count: all.length }
  },
})

function providersOf({ plugins }: System, type: 'primary' | 'image' | 'object') {
  const form = ({ schemes, settings }: RegistrationForm) => ({
    schemes,
    settings: settings.map(({ oneOf, ...setting }) => ({ ...setting, oneof: oneOf })),
  })
  if (type === 'image')
    return [...plugins.archives.values()].map((plugin) => ({
      name: plugin.name,
      type,
      title: plugin.title,
      ...form(plugin),
    }))
  if (type === 'object') return []
  return [...plugins.storage.values()].map((plugin) => {
    const { name, title, managed, shape, protocols } = plugin
    return { name, type, title, managed, shape, protocols, ...form(plugin) }
  })
}

/** The commands about storage providers. */
export const providerCommands = [list] as const
