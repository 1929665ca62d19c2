import type { System } from '../../operations/context.ts'
import { type CardView, type VmView, vmViews } from '../../store/queries/vms.ts'
import { field, pendingFields, type Rendered, tagFields } from '../shape.ts'
import { osTypeId } from '../../operations/os-types.ts'
import { pendingOn, taggedOf } from './listed.ts'
import { shownPath } from './user-shape.ts'

const admin = { admin: true } as const

/** A network card that nobody makes, as CloudStack answers it: a record of the network that was asked for. */
export const nicFields = {
  id: field.string('the ID of the nic'),
  networkid: field.string('the ID of the corresponding network'),
  networkname: field.string('the name of the corresponding network'),
  ipaddress: field.string('an address of 240.0.0.0/4, which no host has and nobody routes to'),
  netmask: field.string('255.255.255.255: it is in the net alone'),
  gateway: field.string('the address itself: it leads nowhere'),
  macaddress: field.string('00:00:00:00:00:00, which no card has'),
  traffictype: field.string('the traffic type of the nic'),
  isdefault: field.boolean('true for the network that was asked for first'),
  recordedonly: field.boolean('true: the machine has no such card'),
} as const

/** The card as the API answers it. */
export function renderCard(card: CardView, nth: number): Rendered<typeof nicFields> {
  return {
    id: card.id,
    networkid: card.networkId,
    networkname: card.networkName,
    ipaddress: card.address,
    netmask: '255.255.255.255',
    gateway: card.address,
    macaddress: '00:00:00:00:00:00',
    traffictype: 'Guest',
    isdefault: nth === 0,
    recordedonly: true,
  }
}

/** A virtual machine as CloudStack answers it. Of networks it has records at most. */
export const vmShape = {
  id: field.string('the ID of the virtual machine'),
  name: field.string('the name of the virtual machine'),
  displayname: field.string('user generated name'),
  instancename: field.string('instance name on its host', admin),
  account: field.string('the account associated with the virtual machine'),
  domainid: field.string('the ID of the domain in which the virtual machine exists'),
  domain: field.string('the name of the domain in which the virtual machine exists'),
  domainpath: field.string('path of the domain'),
  created: field.date('the date when this virtual machine was created'),
  state: field.string('the state of the virtual machine'),
  haenable: field.boolean('true if high-availability is enabled'),
  zoneid: field.string('the ID of the availability zone'),
  zonename: field.string('the name of the availability zone'),
  hostid: field.string('the ID of the host for the virtual machine', admin),
  hostname: field.string('the name of the host for the virtual machine', admin),
  hostcontrolstate: field.string('state of that host', admin),
  templateid: field.string('the ID of the template'),
  templatename: field.string('the name of the template'),
  templatedisplaytext: field.string('the display text of the template'),
  templatetype: field.string('the type of the template'),
  templateformat: field.string('the format of the template'),
  passwordenabled: field.boolean('true if the password reset feature is enabled'),
  serviceofferingid: field.string('the ID of the service offering'),
  serviceofferingname: field.string('the name of the service offering'),
  cpunumber: field.integer('the number of CPUs'),
  cpuspeed: field.integer('the speed of each CPU in MHz'),
  memory: field.integer('the memory in MiB'),
  rootdeviceid: field.long('device ID of the root disk'),
  rootdevicetype: field.string('ROOT where it has a root disk of its own'),
  hypervisor: field.string('the hypervisor on which it runs'),
  vmtype: field.string('the type of the virtual machine'),
  ostypeid: field.string('the ID of the OS type of the template'),
  guestosid: field.string('the same'),
  osdisplayname: field.string('OS name of the template'),
  details: field.map('details of the virtual machine'),
  displayvm: field.boolean('whether it is displayed to end users'),
  isdynamicallyscalable: field.boolean('true if it can be scaled while it runs'),
  nic: field.list(nicFields, 'the networks that it was to be in: records, of which nothing is made'),
  securitygroup: field.list({}, 'list of its security groups: there are none'),
  affinitygroup: field.list({}, 'list of its affinity groups: there are none'),
  tags: field.list(tagFields, 'the list of resource tags'),
  ...pendingFields,
} as const

/** A VM as the API answers it. */
export type RenderedVm = Rendered<typeof vmShape>

const MIB = 1024 ** 2

/** A VM as the API answers it; `render` leaves out what the caller must not see. */
export function renderVm(view: VmView): RenderedVm {
  return {
    id: view.id,
    name: view.name,
    displayname: view.displayName,
    instancename: view.id,
    account: view.accountName,
    domainid: view.domainId,
    domain: view.domainName,
    domainpath: shownPath(view.domainPath),
    created: view.createdAt,
    state: view.state,
    haenable: view.ha,
    zoneid: view.zoneId,
    zonename: view.zoneName,
    hostid: view.hostId,
    hostname: view.hostName,
    hostcontrolstate: view.hostState,
    templateid: view.templateId,
    templatename: view.templateName,
    templatedisplaytext: view.templateText,
    templatetype: view.templateId === null ? null : 'USER',
    templateformat: view.templateFormat,
    passwordenabled: false,
    serviceofferingid: view.offeringId,
    serviceofferingname: view.offeringName,
    cpunumber: view.cpus,
    cpuspeed: view.cpuMhz,
    memory: Math.round(view.memoryBytes / MIB),
    rootdeviceid: 0,
    rootdevicetype: view.rootId === null ? null : 'ROOT',
    hypervisor: view.hypervisor,
    vmtype: 'User',
    ostypeid: osTypeId(view.osType ?? ''),
    guestosid: osTypeId(view.osType ?? ''),
    osdisplayname: view.osType,
    details: {},
    displayvm: true,
    isdynamicallyscalable: false,
    nic: view.cards.map(renderCard),
    securitygroup: [],
    affinitygroup: [],
    tags: taggedOf(view, 'UserVm'),
    ...pendingOn(view),
  }
}

/** One VM by id, expunged ones too; `undefined` when there is none. */
export async function oneVm(system: System, id: string): Promise<RenderedVm | undefined> {
  return (await vmViews(system.store.reader, [id])).map(renderVm)[0]
}
