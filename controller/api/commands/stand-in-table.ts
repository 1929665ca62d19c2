import type { StandInKind } from '../../domain/stand-in.ts'
import type { Params } from '../command.ts'
import { choice, entity, flag, integer, list, text } from '../params.ts'
import { field, type Shape } from '../shape.ts'

/** A kind of things that are recorded instead of made: the names of CloudStack's commands and what they take. */
export interface StandInSpec {
  readonly kind: StandInKind
  /** In words, for descriptions and refusals. */
  readonly what: string
  readonly create: { readonly name: string; readonly kind: 'sync' | 'async-create'; readonly key: string }
  readonly list: { readonly name: string; readonly key: string }
  /** `byName`: CloudStack takes its name in the place of its id. */
  readonly remove: { readonly name: string; readonly kind: 'sync' | 'async'; readonly byName?: true }
  /** What is recorded, and listed back under the same names. */
  readonly params: Params
  /** Numbers that CloudStack answers as text. */
  readonly asText?: readonly string[]
  /** Fields that are the same in all of them: they say how little there is. */
  readonly fixed: Readonly<Record<string, { readonly field: Shape[string]; readonly value: unknown }>>
  /** Fields that come from what a parameter names. */
  readonly found?: Shape
}

const state = (value: string) => ({ state: { field: field.string(`${value}: nothing was made of it`), value } })
const zoneid = entity('zone', { required: true, description: 'the ID of the zone' })
const name = text({ required: true, description: 'its name' })
const displaytext = text({ description: 'its display text', length: 4096 })
const protocol = text({ required: true, description: 'the protocol: TCP, UDP or ICMP' })
const port = (what: string) => integer({ least: 0, most: 65_535, description: what })
const neededPort = (what: string) => integer({ required: true, least: 0, most: 65_535, description: what })
const ipaddressid = entity('publicipaddress', { required: true, description: 'the ID of the public address' })
const virtualmachineid = entity('vm', { required: true, description: 'the ID of the virtual machine' })
const networkid = entity('network', { description: 'the ID of the network' })
const physicalnetworkid = entity('physicalnetwork', { description: 'the ID of the physical network' })
const cidrlist = list({ description: 'source addresses' })
const ports = { startport: port('the first port'), endport: port('the last port') }
const icmp = {
  icmptype: integer({ description: 'type of the ICMP message' }),
  icmpcode: integer({ description: 'error code of the ICMP message' }),
}
const ipaddress = { ipaddress: field.string('the address that stands in for the public one') }

/** Everything that is recorded instead of made, but for SSH key pairs, whose commands go by names. */
export const STAND_INS: readonly StandInSpec[] = [
  {
    kind: 'networkoffering',
    what: 'network offering',
    create: { name: 'createNetworkOffering', kind: 'sync', key: 'networkoffering' },
    list: { name: 'listNetworkOfferings', key: 'networkoffering' },
    remove: { name: 'deleteNetworkOffering', kind: 'sync' },
    params: {
      name,
      displaytext,
      guestiptype: choice(['Isolated', 'Shared', 'L2'], { required: true, description: 'Isolated, Shared or L2' }),
      traffictype: text({ required: true, description: 'the traffic type: Guest' }),
      supportedservices: list({ description: 'services that are wished for' }),
      serviceofferingid: entity('serviceoffering', { description: 'the ID of the offering of its router' }),
      specifyvlan: flag({ description: 'whether a VLAN is given with each network' }),
      ispersistent: flag({ description: 'whether networks are there without machines' }),
      conservemode: flag({ description: 'whether services share addresses' }),
      forvpc: flag({ description: 'whether it is for VPCs' }),
    },
    fixed: state('Enabled'),
  },
  {
    kind: 'physicalnetwork',
    what: 'physical network',
    create: { name: 'createPhysicalNetwork', kind: 'async-create', key: 'physicalnetwork' },
    list: { name: 'listPhysicalNetworks', key: 'physicalnetwork' },
    remove: { name: 'deletePhysicalNetwork', kind: 'async' },
    params: {
      name,
      zoneid,
      vlan: text({ description: 'range of VLANs' }),
      isolationmethods: list({ description: 'how networks are kept apart' }),
      networkspeed: text({ description: 'speed of the network' }),
    },
    fixed: state('Enabled'),
  },
  {
    kind: 'traffictype',
    what: 'traffic type',
    create: { name: 'addTrafficType', kind: 'async-create', key: 'traffictype' },
    list: { name: 'listTrafficTypes', key: 'traffictype' },
    remove: { name: 'deleteTrafficType', kind: 'async' },
    params: {
      physicalnetworkid: entity('physicalnetwork', { required: true, description: 'the ID of the physical network' }),
      traffictype: text({ required: true, description: 'Guest, Public, Management or Storage' }),
      kvmnetworklabel: text({ description: 'name of the bridge on KVM hosts' }),
    },
    fixed: {},
  },
  {
    kind: 'network',
    what: 'network',
    create: { name: 'createNetwork', kind: 'sync', key: 'network' },
    list: { name: 'listNetworks', key: 'network' },
    remove: { name: 'deleteNetwork', kind: 'async' },
    params: {
      name,
      displaytext,
      zoneid,
      networkofferingid: entity('networkoffering', { required: true, description: 'the ID of the network offering' }),
      gateway: text({ description: 'its gateway' }),
      netmask: text({ description: 'its netmask' }),
      startip: text({ description: 'its first address' }),
      endip: text({ description: 'its last address' }),
      networkdomain: text({ description: 'its DNS domain' }),
      vlan: text({ description: 'its VLAN' }),
      physicalnetworkid,
    },
    fixed: { ...state('Allocated'), traffictype: { field: field.string('Guest'), value: 'Guest' } },
  },
  {
    kind: 'vlaniprange',
    what: 'range of addresses',
    create: { name: 'createVlanIpRange', kind: 'sync', key: 'vlan' },
    list: { name: 'listVlanIpRanges', key: 'vlaniprange' },
    remove: { name: 'deleteVlanIpRange', kind: 'sync' },
    params: {
      zoneid: entity('zone', { description: 'the ID of the zone' }),
      podid: entity('pod', { description: 'the ID of the pod' }),
      networkid,
      physicalnetworkid,
      gateway: text({ description: 'the gateway' }),
      netmask: text({ description: 'the netmask' }),
      startip: text({ description: 'the first address' }),
      endip: text({ description: 'the last address' }),
      vlan: text({ description: 'the VLAN' }),
      forvirtualnetwork: flag({ description: 'whether it is for virtual networks' }),
    },
    fixed: {},
  },
  {
    kind: 'publicipaddress',
    what: 'public address',
    create: { name: 'associateIpAddress', kind: 'async-create', key: 'ipaddress' },
    list: { name: 'listPublicIpAddresses', key: 'publicipaddress' },
    remove: { name: 'disassociateIpAddress', kind: 'async' },
    params: { zoneid: entity('zone', { description: 'the ID of the zone' }), networkid },
    fixed: {
      ...state('Allocated'),
      issourcenat: { field: field.boolean('false'), value: false },
      isstaticnat: { field: field.boolean('false'), value: false },
    },
    found: { ipaddress: field.string('an address of 240.0.0.0/4, which leads nowhere') },
  },
  {
    kind: 'firewallrule',
    what: 'firewall rule',
    create: { name: 'createFirewallRule', kind: 'async-create', key: 'firewallrule' },
    list: { name: 'listFirewallRules', key: 'firewallrule' },
    remove: { name: 'deleteFirewallRule', kind: 'async' },
    params: { ipaddressid, protocol, cidrlist, ...ports, ...icmp },
    fixed: state('Staged'),
    found: ipaddress,
  },
  {
    kind: 'egressfirewallrule',
    what: 'egress firewall rule',
    create: { name: 'createEgressFirewallRule', kind: 'async-create', key: 'firewallrule' },
    list: { name: 'listEgressFirewallRules', key: 'firewallrule' },
    remove: { name: 'deleteEgressFirewallRule', kind: 'async' },
    params: {
      networkid: entity('network', { required: true, description: 'the ID of the network' }),
      protocol,
      cidrlist,
      ...ports,
      ...icmp,
    },
    fixed: state('Staged'),
  },
  {
    kind: 'portforwardingrule',
    what: 'port forwarding rule',
    create: { name: 'createPortForwardingRule', kind: 'async-create', key: 'portforwardingrule' },
    list: { name: 'listPortForwardingRules', key: 'portforwardingrule' },
    remove: { name: 'deletePortForwardingRule', kind: 'async' },
    params: {
      ipaddressid,
      virtualmachineid,
      protocol,
      privateport: neededPort('the first port of the virtual machine'),
      publicport: neededPort('the first port of the public address'),
      privateendport: port('the last port of the virtual machine'),
      publicendport: port('the last port of the public address'),
      cidrlist,
      networkid,
    },
    asText: ['privateport', 'publicport', 'privateendport', 'publicendport'],
    fixed: state('Staged'),
    found: ipaddress,
  },
  {
    kind: 'ipforwardingrule',
    what: 'forwarding rule',
    create: { name: 'createIpForwardingRule', kind: 'async-create', key: 'ipforwardingrule' },
    list: { name: 'listIpForwardingRules', key: 'ipforwardingrule' },
    remove: { name: 'deleteIpForwardingRule', kind: 'async' },
    params: {
      ipaddressid,
      protocol,
      startport: neededPort('the first port'),
      endport: port('the last port'),
      cidrlist,
    },
    fixed: state('Staged'),
    found: ipaddress,
  },
  {
    kind: 'loadbalancerrule',
    what: 'load balancer rule',
    create: { name: 'createLoadBalancerRule', kind: 'async-create', key: 'loadbalancer' },
    list: { name: 'listLoadBalancerRules', key: 'loadbalancerrule' },
    remove: { name: 'deleteLoadBalancerRule', kind: 'async' },
    params: {
      name,
      algorithm: text({ required: true, description: 'roundrobin, leastconn or source' }),
      privateport: neededPort('the port of the virtual machines'),
      publicport: neededPort('the port of the public address'),
      publicipid: entity('publicipaddress', { description: 'the ID of the public address' }),
      networkid,
      protocol: text({ description: 'the protocol' }),
      description: text({ description: 'its description', length: 4096 }),
      cidrlist,
    },
    asText: ['privateport', 'publicport'],
    fixed: state('Staged'),
    found: { publicip: ipaddress.ipaddress },
  },
  {
    kind: 'securitygroup',
    what: 'security group',
    create: { name: 'createSecurityGroup', kind: 'sync', key: 'securitygroup' },
    list: { name: 'listSecurityGroups', key: 'securitygroup' },
    remove: { name: 'deleteSecurityGroup', kind: 'sync', byName: true },
    params: { name, description: text({ description: 'its description', length: 4096 }) },
    fixed: {
      ingressrule: { field: field.list({}, 'rules for what comes in: there are none'), value: [] },
      egressrule: { field: field.list({}, 'rules for what goes out: there are none'), value: [] },
    },
  },
]
