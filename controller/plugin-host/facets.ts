import { HYPERVISOR_CAPABILITIES, STORAGE_CAPABILITIES } from '@moorage/contract'

/** Version of the contract that this controller speaks. */
export const CONTRACT_VERSION = 1

/** Facets that every plug-in of a kind has. */
export const MANDATORY = {
  storage: ['pools', 'volumes', 'access', 'inventory'],
  hypervisor: ['hosts', 'vms', 'disks', 'inventory'],
} as const

/** All facets by kind: what is guarded, and what a plug-in outside is asked for. */
export const FACETS = {
  storage: [...MANDATORY.storage, ...STORAGE_CAPABILITIES],
  hypervisor: [...MANDATORY.hypervisor, ...HYPERVISOR_CAPABILITIES],
} as const
