import { changeSetting, listSettings, type ShownSetting } from '../../operations/configurations.ts'
import { defineCommand, OPERATORS, OPERATORS_READING } from '../command.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const shape = {
  category: field.string('the category of the configuration'),
  name: field.string('the name of the configuration'),
  value: field.string('the value of the configuration'),
  defaultvalue: field.string('the default value of the configuration'),
  scope: field.string('scope of the parameter that is needed to be updated: global'),
  description: field.string('the description of the configuration, with its unit'),
  isdynamic: field.boolean('true: a change holds at once'),
  component: field.string('the component of the configuration'),
  type: field.string('the type of the configuration value: Number'),
} as const
const configuration = { key: 'configuration', shape } as const

const list = defineCommand({
  name: 'listConfigurations',
  kind: 'sync',
  description: 'Lists the settings of the installation.',
  roles: OPERATORS_READING,
  params: {
    name: text({ description: 'lists configuration by name' }),
    category: text({ description: 'lists configurations by category' }),
    keyword,
  },
  response: { ...configuration, list: true },
  async run({ system, params, page }) {
    const all = (await listSettings(system)).filter(
      ({ name, category }) =>
        (params.name === undefined || params.name === name) &&
        (params.category === undefined || params.category.toLowerCase() === category.toLowerCase()) &&
        (params.keyword === undefined || name.includes(params.keyword.toLowerCase())),
    )
    const asked = cut(all, page)
    return { list: asked.map(rendered), count: all.length }
  },
})

const update = defineCommand({
  name: 'updateConfiguration',
  kind: 'sync',
  description: 'Changes a setting of the installation.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'the name of the configuration' }),
    value: text({ required: true, description: 'the value of the configuration' }),
  },
  response: configuration,
  run: async (request) => ({ object: rendered(await changeSetting(request, request.params)) }),
})

function rendered(one: ShownSetting): Rendered<typeof shape> {
  return {
    category: one.category,
    name: one.name,
    // Values are text whatever they are.
    value: String(one.value),
    defaultvalue: String(one.usual),
    scope: 'global',
    description: `${one.description}, in ${one.unit}; from ${one.least} to ${one.most}`,
    isdynamic: true,
    component: 'moorage',
    type: 'Number',
  }
}

/** The commands about settings. */
export const configurationCommands = [list, update] as const
