import type { Caller } from '../../operations/context.ts'
import { ownerOf, ownershipOf, sightOf } from '../../operations/ownership.ts'
import { refuse } from '../../operations/refusals.ts'
import { osTypeId } from '../../operations/os-types.ts'
import { prepareTemplate } from '../../operations/template-prepare.ts'
import { changeTemplate } from '../../operations/template-update.ts'
import { createTemplate } from '../../operations/template-create.ts'
import { deleteTemplate, registerTemplate } from '../../operations/template-register.ts'
import { listTemplates, templateViews, type TemplateView } from '../../store/queries/templates.ts'
import { defineCommand, EVERYONE, OPERATORS, OPERATORS_READING, SUCCESS, TENANTS } from '../command.ts'
import { given } from '../given.ts'
import { keyword, ownerParams, ownershipParams } from '../ownership.ts'
import { choice, entities, entity, flag, text, unsupported } from '../params.ts'
import { field, type Rendered } from '../shape.ts'
import { idsOf } from './listed.ts'
import { shownPath } from './user-shape.ts'

/** A template as CloudStack answers it. */
const templateShape = {
  id: field.string('the template ID'),
  name: field.string('the template name'),
  displaytext: field.string('the template display text'),
  accountid: field.string('the account ID to which the template belongs'),
  account: field.string('the account name to which the template belongs'),
  domainid: field.string('the ID of the domain to which the template belongs'),
  domain: field.string('the name of the domain to which the template belongs'),
  domainpath: field.string('path of the domain'),
  zoneid: field.string('the ID of the zone for this template'),
  zonename: field.string('the name of the zone for this template'),
  created: field.date('the date this template was created'),
  removed: field.date('the date this template was removed'),
  format: field.string('the format of the template'),
  hypervisor: field.string('the hypervisor on which the template runs'),
  ostypeid: field.string('the ID of the OS type for this template'),
  ostypename: field.string('the name of the OS type for this template'),
  size: field.long('the size of the template in bytes'),
  checksum: field.string('SHA-256 of the file, where it was seen'),
  isready: field.boolean('true if the template is ready to be deployed from'),
  status: field.string('the status of the template'),
  ispublic: field.boolean('true if this template is public'),
  isfeatured: field.boolean('true if this template is featured'),
  isextractable: field.boolean('true if the template is extractable'),
  crossZones: field.boolean('true if the template is managed across all zones'),
  passwordenabled: field.boolean('true if the reset password feature is enabled'),
  sshkeyenabled: field.boolean('true if template is ssh key enabled'),
  isdynamicallyscalable: field.boolean('true if template contains tools to support dynamic scaling'),
  templatetype: field.string('the type of the template'),
  directdownload: field.boolean('true if hosts fetch it themselves'),
  deployasis: field.boolean('true if machines take their shape from it'),
  image: field.string('name under which hosts hold the boot image', { admin: true }),
  url: field.string('where it was registered from', { admin: true }),
} as const

const template = { key: 'template', shape: templateShape } as const

function render(view: TemplateView): Rendered<typeof templateShape> {
  return {
    id: view.id,
    name: view.name,
    displaytext: view.displayText,
    accountid: view.accountId,
    account: view.accountName,
    domainid: view.domainId,
    domain: view.domainName,
    domainpath: shownPath(view.domainPath),
    zoneid: view.zoneId,
    zonename: view.zoneName,
    created: view.createdAt,
    removed: view.removedAt,
    format: view.format,
    hypervisor: view.hypervisor,
    ostypeid: osTypeId(view.osType),
    ostypename: view.osType,
    size: view.bytes,
    checksum: view.checksum === '' ? undefined : view.checksum,
    isready: view.state === 'Ready',
    status: view.status,
    ispublic: view.public,
    isfeatured: view.featured,
    isextractable: false,
    crossZones: view.zoneId === null,
    passwordenabled: false,
    sshkeyenabled: false,
    isdynamicallyscalable: false,
    templatetype: 'USER',
    directdownload: false,
    deployasis: false,
    image: view.image,
    url: view.url,
  }
}

const FORMATS = ['RAW', 'QCOW2', 'VHD', 'OVA', 'VMDK'] as const

const register = defineCommand({
  name: 'registerTemplate',
  kind: 'sync',
  description:
    'Registers a template: a raw or qcow2 image on a web server (http, https), which is fetched into the secondary storage of its ' +
    'zone in the background; a boot image that the hosts hold by its name (image://NAME; image://none for machines without a ' +
    'guest), or a file on the machine of the controller (file:///path).',
  roles: OPERATORS,
  params: {
    ...ownerParams,
    name: text({ required: true, description: 'the name of the template' }),
    displaytext: text({ description: 'the display text of the template; its name if not given', length: 4096 }),
    url: text({ required: true, description: 'http or https, image://NAME or file:///path', length: 2048 }),
    format: choice(FORMATS, {
      required: true,
      description: 'the format of the template',
    }),
    hypervisor: text({ required: true, description: 'the target hypervisor for the template' }),
    zoneid: entity('zone', {
      description: 'the ID of the zone; -1 or none: every zone, or, of what is fetched, the only one there is',
    }),
    checksum: text({
      description:
        'digest that the file must have: MD5 or SHA, with its name before it, as {SHA-256}, or known by its length',
    }),
    ispublic: flag({ description: 'true if the template is available to all accounts' }),
    isfeatured: flag({ description: 'true if this template is a featured template' }),
    ostypeid: text({ description: 'the ID of the OS type, as listOsTypes lists it' }),
    requireshvm: flag({ description: 'accepted for the sake of clients' }),
  },
  response: { ...template, listShaped: true },
  async run({ system, caller, params }) {
    const { name, displaytext, url, format, hypervisor, zoneid, checksum } = params
    const id = await registerTemplate(
      { system, caller },
      {
        account: await ownerOf({ system, caller }, params),
        name,
        url,
        format,
        hypervisor,
        public: params.ispublic ?? false,
        featured: params.isfeatured ?? false,
        ...given({
          displayText: displaytext,
          zone: zoneid,
          checksum: checksum || undefined,
          osType: params.ostypeid || undefined,
        }),
      },
    )
    const [view] = await templateViews(system.store.reader, [id])
    return { object: view === undefined ? {} : render(view) }
  },
})

const create = defineCommand({
  name: 'createTemplate',
  kind: 'async-create',
  description:
    'Makes a template of a snapshot, or of a volume that is detached or whose virtual machine is stopped: a copy in the ' +
    'secondary storage of the zone, which lives on when they are gone.',
  roles: TENANTS,
  params: {
    name: text({ required: true, description: 'the name of the template' }),
    displaytext: text({ description: 'the display text of the template; its name if not given', length: 4096 }),
    ostypeid: text({ description: 'the ID of the OS type, as listOsTypes lists it' }),
    snapshotid: entity('snapshot', { description: 'the ID of the snapshot that it is made of' }),
    volumeid: entity('volume', { description: 'the ID of the volume that it is made of' }),
    ispublic: flag({ description: 'true if the template is available to all accounts: for administrators' }),
    isfeatured: flag({ description: 'true if this template is a featured template: for administrators' }),
    requireshvm: flag({ description: 'accepted for the sake of clients' }),
    bits: unsupported({ harmless: ['64', '32'], description: 'accepted for the sake of clients' }),
    isdynamicallyscalable: unsupported({
      harmless: ['false'],
      description: 'whether its machines scale while they run',
    }),
    passwordenabled: unsupported({ harmless: ['false'], description: 'whether passwords are set' }),
    sshkeyenabled: unsupported({ harmless: ['false'], description: 'whether SSH keys are set' }),
    templatetag: unsupported({ description: 'tag of the hosts that take it' }),
    virtualmachineid: unsupported({ description: 'a virtual machine without a volume of its own' }),
    url: unsupported({ description: 'for bare metal only' }),
  },
  response: template,
  result: async ({ system, subject }) => {
    const [view] = await templateViews(system.store.reader, [subject])
    return view && render(view)
  },
  run: ({ system, caller, params }) => {
    const { name, displaytext, ostypeid, snapshotid, volumeid, ispublic = false, isfeatured = false } = params
    if ((ispublic || isfeatured) && caller.role !== 'admin')
      throw refuse('INVALID', 'Invalid parameters ispublic, isfeatured: they are for administrators')
    const shown = { name, public: ispublic, featured: isfeatured }
    const more = { displayText: displaytext, osType: ostypeid || undefined, snapshot: snapshotid, volume: volumeid }
    return createTemplate({ system, caller }, { ...shown, ...given(more) })
  },
})

const itself = entity('template', { required: true, description: 'the ID of the template' })

const update = defineCommand({
  name: 'updateTemplate',
  kind: 'sync',
  description: 'Changes how a template is called. Its image, and what was made of it, stay.',
  roles: OPERATORS,
  params: {
    id: itself,
    name: text({ description: 'the name of the template' }),
    displaytext: text({ description: 'the display text of the template', length: 4096 }),
    ostypeid: text({ description: 'the ID of the OS type, as listOsTypes lists it' }),
    format: choice(FORMATS, { description: 'accepted for the sake of clients: that of the image' }),
    bootable: unsupported({ harmless: ['true'], description: 'whether machines boot from it: they do' }),
    isdynamicallyscalable: unsupported({
      harmless: ['false'],
      description: 'whether its machines scale while they run',
    }),
    isrouting: unsupported({ harmless: ['false'], description: 'whether it is for routers' }),
    passwordenabled: unsupported({ harmless: ['false'], description: 'whether passwords are set' }),
    sshkeyenabled: unsupported({ harmless: ['false'], description: 'whether SSH keys are set' }),
    templatetype: unsupported({ harmless: ['user'], description: 'the type of the template' }),
    templatetag: unsupported({ description: 'tag of the hosts that take it' }),
    details: unsupported({ description: 'details of the template' }),
  },
  response: template,
  async run({ system, caller, params: { id, name, displaytext, ostypeid, format } }) {
    const changes = { name, displayText: displaytext, osType: ostypeid || undefined, format }
    await changeTemplate({ system, caller }, { template: id, ...given(changes) })
    const [view] = await templateViews(system.store.reader, [id])
    return { object: view === undefined ? {} : render(view) }
  },
})

const permit = defineCommand({
  name: 'updateTemplatePermissions',
  kind: 'sync',
  description: 'Changes who sees a template: everybody, or its account alone.',
  roles: OPERATORS,
  params: {
    id: itself,
    ispublic: flag({ description: 'true if the template is available to all accounts' }),
    isfeatured: flag({ description: 'true if this template is a featured template' }),
    isextractable: unsupported({ harmless: ['false'], description: 'whether it may be downloaded' }),
    op: unsupported({ description: 'add, remove or reset permissions of single accounts' }),
    accounts: unsupported({ description: 'accounts that may use the template' }),
    projectids: unsupported({ harmless: ['-1'], description: 'projects that may use the template' }),
  },
  response: SUCCESS,
  async run({ system, caller, params: { id, ispublic, isfeatured } }) {
    await changeTemplate({ system, caller }, { template: id, ...given({ public: ispublic, featured: isfeatured }) })
    return { success: true }
  },
})

const permissionsShape = {
  id: field.string('the template ID'),
  ispublic: field.boolean('true if the template is available to all accounts'),
  domainid: field.string('the ID of the domain to which the template belongs'),
} as const

const permissions = defineCommand({
  name: 'listTemplatePermissions',
  kind: 'sync',
  description: 'Tells who sees a template: everybody, or its account alone. It is shared with no single others.',
  // As in CloudStack those who own it, and tenants own none.
  roles: OPERATORS_READING,
  params: { id: entity('template', { required: true, description: 'the template ID' }) },
  response: { key: 'templatepermission', shape: permissionsShape },
  async run({ system, params: { id } }) {
    const [view] = await templateViews(system.store.reader, [id])
    return { object: view ? { id, ispublic: view.public, domainid: view.domainId } : {} }
  },
})

const FILTERS = ['all', 'featured', 'self', 'selfexecutable', 'sharedexecutable', 'executable', 'community'] as const

const list = defineCommand({
  name: 'listTemplates',
  kind: 'sync',
  description: 'Lists templates.',
  roles: EVERYONE,
  params: {
    ...ownershipParams,
    keyword,
    templatefilter: choice(FILTERS, { required: true, description: `one of ${FILTERS.join(', ')}` }),
    id: entity('template', { description: 'the template ID' }),
    ids: entities('template', { description: 'the IDs of the templates' }),
    name: text({ description: 'the template name' }),
    zoneid: entity('zone', { description: 'list templates by zone' }),
    hypervisor: text({ description: 'the hypervisor for which to list templates' }),
  },
  response: { ...template, list: true },
  async run({ system, caller, params, page }) {
    const { templatefilter: which } = params
    if (which === 'all' && !mayUseAll(caller))
      throw refuse('INVALID', 'Invalid parameter templatefilter: all is for administrators')
    const ids = idsOf(params)
    const filter = {
      ownership:
        which === 'all' ? sightOf(caller) : await ownershipOf({ system, caller }, params, { byId: ids !== undefined }),
      publicToo:
        which === 'featured' || which === 'executable' || which === 'community' || which === 'sharedexecutable',
      ...(which === 'featured' ? { featured: true as const } : {}),
      ...given({ ids, name: params.name, keyword: params.keyword, zone: params.zoneid, hypervisor: params.hypervisor }),
    }
    const { items, count } = await listTemplates(system.store.reader, filter, page)
    return { list: items.map(render), count }
  },
})

/** CloudStack keeps `all` from users, and from the administrators of domains. */
function mayUseAll(caller: Caller): boolean {
  return caller.role === 'admin' || caller.role === 'read-only-admin'
}

const remove = defineCommand({
  name: 'deleteTemplate',
  kind: 'async',
  description: 'Takes a template away from new virtual machines, and out of its secondary storage.',
  // Of their own: those of others that they see are public ones.
  roles: TENANTS,
  params: { id: itself },
  response: SUCCESS,
  run: ({ system, caller, params: { id } }) => deleteTemplate({ system, caller }, id),
})

const prepare = defineCommand({
  name: 'prepareTemplate',
  kind: 'sync',
  description: 'Makes storage pools ready for root disks of a template: there they become clones.',
  roles: OPERATORS,
  params: {
    templateid: entity('template', { required: true, description: 'template ID of the template to be prepared' }),
    zoneid: entity('zone', { required: true, description: 'zone ID of the template to be prepared' }),
    storageid: entity('pool', {
      description: 'storage pool ID of the primary storage pool; absent: every one that can',
    }),
  },
  response: { ...template, listShaped: true },
  async run({ system, caller, params: { templateid, zoneid, storageid } }) {
    await prepareTemplate({ system, caller }, { template: templateid, zone: zoneid, ...given({ pool: storageid }) })
    const [view] = await templateViews(system.store.reader, [templateid])
    return { object: view === undefined ? {} : render(view) }
  },
})

/** The commands about templates. */
export const templateCommands = [register, create, update, permit, permissions, list, remove, prepare] as const
