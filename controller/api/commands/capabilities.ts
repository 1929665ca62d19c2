import { OS_TYPES } from '../../operations/os-types.ts'
import { defineCommand, EVERYONE } from '../command.ts'
import { keyword } from '../ownership.ts'
import { cut } from '../paging.ts'
import { entity, text } from '../params.ts'
import { field } from '../shape.ts'

const capabilities = defineCommand({
  name: 'listCapabilities',
  kind: 'sync',
  description: 'Tells what this installation can do, in the terms of CloudStack.',
  roles: EVERYONE,
  params: {},
  response: {
    key: 'capability',
    shape: {
      cloudstackversion: field.string('version of CloudStack whose API this is'),
      supportELB: field.string('false'),
      securitygroupsenabled: field.boolean('false: there are no networks'),
      dynamicrolesenabled: field.boolean('false: roles are fixed'),
      projectinviterequired: field.boolean('false: there are no projects'),
      allowusercreateprojects: field.boolean('false: there are no projects'),
      customdiskofferingminsize: field.long('minimum size in GiB of a volume of customised size'),
      customdiskofferingmaxsize: field.long('maximum size in GiB of a volume of customised size'),
      regionsecondaryenabled: field.boolean('false'),
      kvmsnapshotenabled: field.boolean('true: volumes of running virtual machines can be snapshotted'),
      allowuserviewdestroyedvm: field.boolean('true'),
      allowuserexpungerecovervm: field.boolean('true'),
      allowuserexpungerecovervolume: field.boolean('true'),
      kubernetesserviceenabled: field.boolean('false'),
      defaultuipagesize: field.integer('entries on a page of a user interface'),
    },
  },
  async run() {
    return {
      object: {
        cloudstackversion: '4.20.0.0',
        supportELB: 'false',
        securitygroupsenabled: false,
        dynamicrolesenabled: false,
        projectinviterequired: false,
        allowusercreateprojects: false,
        customdiskofferingminsize: 1,
        customdiskofferingmaxsize: 65_536,
        regionsecondaryenabled: false,
        kvmsnapshotenabled: true,
        allowuserviewdestroyedvm: true,
        allowuserexpungerecovervm: true,
        allowuserexpungerecovervolume: true,
        kubernetesserviceenabled: false,
        defaultuipagesize: 20,
      },
    }
  },
})

const osTypes = defineCommand({
  name: 'listOsTypes',
  kind: 'sync',
  description: 'Lists OS types: few, since nothing here depends on them.',
  roles: EVERYONE,
  params: {
    id: text({ description: 'list by Os type Id' }),
    description: text({ description: 'list os by description' }),
    keyword,
  },
  response: {
    key: 'ostype',
    list: true,
    shape: {
      id: field.string('the ID of the OS type'),
      name: field.string('the name of the OS type'),
      description: field.string('the name/description of the OS type'),
      oscategoryname: field.string('the name of the OS category'),
      isuserdefined: field.boolean('false'),
    },
  },
  async run({ params, page }) {
    const part = params.keyword?.toLowerCase() ?? ''
    const all = OS_TYPES.filter(
      ({ id, description }) =>
        (params.id === undefined || params.id === id) &&
        (params.description === undefined || params.description === description) &&
        description.toLowerCase().includes(part),
    )
    const asked = cut(all, page)
    return {
      count: all.length,
      list: asked.map(({ id, description, category }) => ({
        id,
        name: description,
        description,
        oscategoryname: category,
        isuserdefined: false,
      })),
    }
  },
})

const hypervisors = defineCommand({
  name: 'listHypervisors',
  kind: 'sync',
  description: 'Lists the hypervisors that plug-ins speak to.',
  roles: EVERYONE,
  params: { zoneid: entity('zone', { description: 'accepted for the sake of clients: plug-ins serve every zone' }) },
  response: { key: 'hypervisor', list: true, shape: { name: field.string('Hypervisor name') } },
  async run({ system, page }) {
    const names = [...new Set([...system.plugins.hypervisors.values()].map(({ hypervisor }) => hypervisor))].toSorted()
    const asked = cut(names, page)
    return { list: asked.map((name) => ({ name })), count: names.length }
  },
})

/** The commands about what the installation is. */
export const capabilityCommands = [capabilities, osTypes, hypervisors] as const
