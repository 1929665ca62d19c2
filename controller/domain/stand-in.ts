/** What clients ask for on their way and Moorage does not make: it is recorded, listed back, and has no effect. */
export const STAND_IN_KINDS = [
  'networkoffering',
  'physicalnetwork',
  'traffictype',
  'network',
  'vlaniprange',
  'publicipaddress',
  'firewallrule',
  'egressfirewallrule',
  'portforwardingrule',
  'ipforwardingrule',
  'loadbalancerrule',
  'securitygroup',
  'sshkeypair',
] as const
/** A name in `STAND_IN_KINDS`. */
export type StandInKind = (typeof STAND_IN_KINDS)[number]

/** The kinds that belong to no account: operators record them, everybody sees them. */
export const NOBODYS = ['networkoffering', 'physicalnetwork', 'traffictype', 'vlaniprange'] as const

/** How many of a kind an account, or the installation of those that belong to none, may have recorded. */
export const MOST_OF_A_KIND = 1000

/** How many networks a VM may be recorded to be in. */
export const MOST_CARDS = 8

/** A block in which no host has an address and to which none routes: RFC 1112, class E. */
const RESERVED = 240

/** The number for which `standInAddress` stands; `undefined` where it stands for none. */
export function standInNumber(address: string): number | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1).map(Number) ?? []
  const number = octets.reduce((sum, octet) => sum * 256 + octet, 0) - RESERVED * 2 ** 24
  return number >= 0 && standInAddress(number) === address ? number : undefined
}

/**
 * The address that stands in for a public one: in 240.0.0.0/4, so that nobody can take it for one that leads somewhere.
 * Distinct for each number below 2^28; those of VMs' cards begin at 2^27.
 */
export function standInAddress(number: number): string {
  const octets = [
    RESERVED + (Math.floor(number / 2 ** 24) % 16),
    Math.floor(number / 2 ** 16),
    Math.floor(number / 2 ** 8),
    number,
  ]
  return octets.map((octet) => octet % 256).join('.')
}

/**
 * The address that stands in for that of a VM's card: in the upper half of the block, which no public one reaches. `vm`: its
 * internal number; `card` counts from 0, below `MOST_CARDS`. Distinct for VMs below 2^24.
 */
export function cardAddress(vm: number, card: number): string {
  return standInAddress(2 ** 27 + ((vm * MOST_CARDS + card) % 2 ** 27))
}
