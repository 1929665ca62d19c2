import {
  changeSetting,
  inForm,
  listSettings,
  resetSetting,
  type ShownSetting,
} from '../../operations/configurations.ts'
import { defineCommand, OPERATORS, OPERATORS_READING } from '../command.ts'
import { given } from '../given.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { entity, text } from '../params.ts'
import { field, type Rendered } from '../shape.ts'

const shape = {
  category: field.string('the category of the configuration'),
  name: field.string('the name of the configuration'),
  value: field.string('the value of the configuration'),
  defaultvalue: field.string('the default value of the configuration'),
  scope: field.string('where the value in force was set: global, zone or storagepool'),
  description: field.string('the description of the configuration, with its unit'),
  isdynamic: field.boolean('true: a change holds at once'),
  component: field.string('the component of the configuration'),
  type: field.string('the type of the configuration value: Number, Decimal or Boolean'),
} as const
const configuration = { key: 'configuration', shape } as const

const place = {
  zoneid: entity('zone', { description: 'the zone for which the setting has a value of its own' }),
  storageid: entity('pool', { description: 'the storage pool for which the setting has a value of its own' }),
} as const

function at({ zoneid, storageid }: { readonly zoneid?: string | undefined; readonly storageid?: string | undefined }) {
  return given({ zone: zoneid, pool: storageid })
}

const list = defineCommand({
  name: 'listConfigurations',
  kind: 'sync',
  description: 'Lists the settings of the installation, or of a zone or storage pool: the nearest value is in force.',
  roles: OPERATORS_READING,
  params: {
    name: text({ description: 'lists configuration by name' }),
    category: text({ description: 'lists configurations by category' }),
    keyword,
    ...place,
  },
  response: { ...configuration, list: true },
  async run({ system, params, page }) {
    const all = (await listSettings(system, at(params))).filter(
      ({ name, category }) =>
        (params.name === undefined || params.name === name) &&
        (params.category === undefined || params.category.toLowerCase() === category.toLowerCase()) &&
        (params.keyword === undefined || name.includes(params.keyword.toLowerCase())),
    )
    const asked = cut(all, page)
    return { list: asked.map(rendered), count: all.length }
  },
})

const groupShape = {
  id: field.string('the name of the group, by which it is known'),
  name: field.string('the name of the group: the category of its settings'),
  description: field.string('the description of the group'),
  precedence: field.integer('where it stands among the groups'),
} as const

const groups = defineCommand({
  name: 'listConfigurationGroups',
  kind: 'sync',
  description: 'Lists the groups of settings: their categories.',
  roles: OPERATORS_READING,
  params: { group: text({ description: 'lists the group of that name' }) },
  response: { key: 'configurationgroup', shape: groupShape, list: true },
  async run({ system, params: { group }, page }) {
    const all = Map.groupBy(await listSettings(system, {}), ({ category }) => category)
    const found = [...all.keys()]
      .toSorted()
      .map((name, nth) => ({
        id: name,
        name,
        description: `Settings: ${(all.get(name) ?? []).map((one) => one.name).join(', ')}`,
        precedence: nth + 1,
      }))
      .filter(({ name }) => group === undefined || name.toLowerCase() === group.toLowerCase())
    return { list: cut(found, page), count: found.length }
  },
})

const update = defineCommand({
  name: 'updateConfiguration',
  kind: 'sync',
  description: 'Changes a setting of the installation, or of a zone or storage pool alone.',
  roles: OPERATORS,
  params: {
    name: text({ required: true, description: 'the name of the configuration' }),
    value: text({ required: true, description: 'the value of the configuration' }),
    ...place,
  },
  response: configuration,
  async run(request) {
    const { name, value } = request.params
    return { object: rendered(await changeSetting(request, { name, value, at: at(request.params) })) }
  },
})

const reset = defineCommand({
  name: 'resetConfiguration',
  kind: 'sync',
  description: 'Takes back the value that a setting has in one place: the next nearest is in force again.',
  roles: OPERATORS,
  params: { name: text({ required: true, description: 'the name of the configuration' }), ...place },
  response: configuration,
  async run(request) {
    return { object: rendered(await resetSetting(request, { name: request.params.name, at: at(request.params) })) }
  },
})

function rendered(one: ShownSetting): Rendered<typeof shape> {
  const fraction = one.unit === 'factor' || one.unit === 'share'
  return {
    category: one.category,
    name: one.name,
    // Values are text whatever they are.
    value: inForm(one, one.value),
    defaultvalue: inForm(one, one.usual),
    scope: one.setAt === 'pool' ? 'storagepool' : one.setAt === 'zone' ? 'zone' : 'global',
    description: described(one),
    isdynamic: true,
    component: 'moorage',
    type: one.unit === 'flag' ? 'Boolean' : fraction ? 'Decimal' : 'Number',
  }
}

function described({ description, unit, least, most, scopes = [] }: ShownSetting): string {
  const rule = unit === 'flag' ? '' : `, ${PHRASES[unit] ?? `in ${unit}`}; from ${least} to ${most}`
  return `${description}${rule}${scopes.length === 0 ? '' : `; also of one ${scopes.join(' or ')}`}`
}

const PHRASES: Readonly<Record<string, string>> = { factor: 'a factor', share: 'a share' }

/** The commands about settings. */
export const configurationCommands = [list, groups, update, reset] as const
