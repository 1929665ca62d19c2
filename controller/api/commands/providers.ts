import { defineCommand, OPERATORS_READING } from '../command.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { choice } from '../params.ts'
import { field } from '../shape.ts'

const list = defineCommand({
  name: 'listStorageProviders',
  kind: 'sync',
  description: 'Lists storage providers: the plug-ins that speak to arrays.',
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
        'what createStoragePool takes as details',
      ),
    },
  },
  async run({ system, params, page }) {
    const part = params.keyword?.toLowerCase() ?? ''
    const known = params.type === 'primary' ? [...system.plugins.storage.values()] : []
    const all = known
      .filter(({ name }) => name.toLowerCase().includes(part))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    const asked = cut(all, page)
    const rows = asked.map(({ name, title, managed, shape, schemes, protocols, settings }) => ({
      name,
      type: 'primary',
      title,
      managed,
      shape,
      schemes,
      protocols,
      settings: settings.map(({ oneOf, ...setting }) => ({ ...setting, oneof: oneOf })),
    }))
    return { list: rows, count: all.length }
  },
})

/** The commands about storage providers. */
export const providerCommands = [list] as const
