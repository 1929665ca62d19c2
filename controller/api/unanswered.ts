/** Commands of CloudStack that are answered by 432, by what they are about. */
export const UNANSWERED = {
  'volumes and snapshots': `extractVolume uploadVolume assignVolume checkVolume importVolume
    unmanageVolume listVolumesForImport getUploadParamsForVolume
    getSolidFireVolumeSize getSolidFireVolumeAccessGroupIds getSolidFireAccountId getVolumeSnapshotDetails
    copySnapshot extractSnapshot createSnapshotFromVMSnapshot`,
  storage: `syncStoragePool changeStoragePoolScope updateStorageCapabilities
    listAffectedVmsForStorageScopeChange listStoragePoolObjects
    listImageStoreObjects downloadImageStoreObject createSecondaryStagingStore
    listSecondaryStagingStores deleteSecondaryStagingStore migrateSecondaryStorageData
    migrateResourceToAnotherSecondaryStorage createSecondaryStorageSelector updateSecondaryStorageSelector
    listSecondaryStorageSelectors removeSecondaryStorageSelector`,
  'virtual machines': `migrateVirtualMachineWithVolume
    createVMSnapshot listVMSnapshot deleteVMSnapshot revertToVMSnapshot
    updateVMAffinityGroup resetSSHKeyForVirtualMachine attachIso`,
  templates: `extractTemplate copyTemplate
    getUploadParamsForTemplate getUploadParamsForIso registerIso deleteIso copyIso listIsoPermissions`,
  infrastructure: `uploadCustomCertificate readyForShutdown`,
  networks: `updatePhysicalNetwork updateNetworkServiceProvider updateNetwork restartNetwork updateNetworkOffering
    authorizeSecurityGroupIngress authorizeSecurityGroupEgress createAffinityGroup enableStaticNat disableStaticNat
    addNicToVirtualMachine removeNicFromVirtualMachine createVPC createNetworkACLList createNetworkACL createVpnGateway
    createVpnCustomerGateway createVpnConnection assignToLoadBalancerRule`,
  'accounts and limits': `createRole listAndSwitchSamlAccount forgotPassword addLdapConfiguration
    deleteLdapConfiguration`,
} as const satisfies Readonly<Record<string, string>>

/** The names of `UNANSWERED`, each once. */
export function unansweredNames(): readonly string[] {
  return Object.values(UNANSWERED).flatMap(namesIn)
}

/** The names in one text of `UNANSWERED`. */
export function namesIn(text: string): readonly string[] {
  return text.split(/\s+/).filter((name) => name !== '')
}
