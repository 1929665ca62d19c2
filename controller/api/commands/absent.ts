import { type Command, defineCommand, EVERYONE, OPERATORS_READING } from '../command.ts'
import { field } from '../shape.ts'

/** A list of things that do not exist here. */
interface Absent {
  readonly name: string
  /** CloudStack's key of the list. */
  readonly key: string
  /** What there is none of, for the sentence that listApis shows. */
  readonly what: string
  readonly envelope?: string
  /** Asked before anybody has logged in. */
  readonly open?: true
  readonly operators?: true
}

/**
 * User interfaces and clients ask for these on their way and give up on an error. The honest answer is that there are
 * none: Moorage makes no networks, appliances, projects or logins of others. Nothing here can be created either.
 */
const ABSENT: readonly Absent[] = [
  { name: 'listVPCs', key: 'vpc', what: 'VPCs' },
  { name: 'listVPCOfferings', key: 'vpcoffering', what: 'VPC offerings' },
  { name: 'listNetworkACLLists', key: 'networkacllist', what: 'lists of network ACLs' },
  { name: 'listNetworkACLs', key: 'networkacl', what: 'network ACLs' },
  { name: 'listVpnGateways', key: 'vpngateway', what: 'VPN gateways' },
  { name: 'listVpnCustomerGateways', key: 'vpncustomergateway', what: 'VPN gateways of customers' },
  { name: 'listVpnConnections', key: 'vpnconnection', what: 'VPN connections' },
  { name: 'listNetworkServiceProviders', key: 'networkserviceprovider', what: 'network services', operators: true },
  { name: 'listRouters', key: 'router', what: 'routers', operators: true },
  { name: 'listSystemVms', key: 'systemvm', what: 'system VMs: nothing here needs one', operators: true },
  { name: 'listIsos', key: 'iso', what: 'ISO images' },
  { name: 'listInstanceGroups', key: 'instancegroup', what: 'instance groups' },
  { name: 'listAffinityGroups', key: 'affinitygroup', what: 'affinity groups' },
  { name: 'listAffinityGroupTypes', key: 'affinityGroupType', what: 'types of affinity groups' },
  { name: 'listProjects', key: 'project', what: 'projects' },
  { name: 'listAnnotations', key: 'annotation', what: 'annotations' },
  { name: 'listResourceIcon', key: 'icon', what: 'icons' },
  { name: 'listHSMProfiles', key: 'hsmprofile', what: 'profiles of security modules', operators: true },
  { name: 'listDedicatedZones', key: 'dedicatedzone', what: 'dedicated zones', operators: true },
  { name: 'listDedicatedPods', key: 'dedicatedpod', what: 'dedicated pods', operators: true },
  { name: 'listDedicatedClusters', key: 'dedicatedcluster', what: 'dedicated clusters', operators: true },
  { name: 'listDedicatedHosts', key: 'dedicatedhost', what: 'dedicated hosts', operators: true },
  { name: 'listVmwareDcs', key: 'VMwareDC', what: 'VMware datacenters', operators: true },
  {
    name: 'listLdapConfigurations',
    key: 'LdapConfiguration',
    what: 'LDAP servers',
    envelope: 'ldapconfigurationresponse',
    operators: true,
  },
  { name: 'listIdps', key: 'idp', what: 'identity providers', open: true },
  { name: 'listOauthProvider', key: 'oauthprovider', what: 'OAuth providers', open: true },
  { name: 'listGuiThemes', key: 'guithemes', what: 'themes of the user interface', open: true },
]

function absent({ name, key, what, envelope, open, operators }: Absent): Command {
  return defineCommand({
    name,
    kind: 'sync',
    description: `Lists nothing: there are no ${what}.`,
    roles: operators === true ? OPERATORS_READING : EVERYONE,
    ...(open === undefined ? {} : { open }),
    params: {},
    response: {
      key,
      list: true,
      shape: { id: field.string('never there: the list is empty') },
      ...(envelope === undefined ? {} : { envelope }),
    },
    run: async () => ({ list: [], count: 0 }),
  })
}

const switchedOff = (name: string, key: string, what: string) =>
  defineCommand({
    name,
    kind: 'sync',
    description: `Tells that ${what} is not there.`,
    roles: EVERYONE,
    params: {},
    response: { key, shape: { isenabled: field.boolean('false') } },
    run: async () => ({ object: { isenabled: false } }),
  })

/** The commands about what is not here: empty lists, and switches that are off. */
export const absentCommands: readonly Command[] = [
  ...ABSENT.map(absent),
  switchedOff('quotaIsEnabled', 'isenabled', 'the quota service'),
  switchedOff('cloudianIsEnabled', 'cloudianisenabled', 'the Cloudian connector'),
]
