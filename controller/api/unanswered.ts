/** Commands of CloudStack that are answered by 432, by what they are about. */
export const UNANSWERED = {
  'volumes and snapshots': `migrateVolume extractVolume uploadVolume changeOfferingForVolume assignVolume checkVolume importVolume
    unmanageVolume listVolumesForImport getUploadParamsForVolume listVolumesMetrics listVolumesUsageHistory getVolumeiScsiName
    getPathForVolume getSolidFireVolumeSize getSolidFireVolumeAccessGroupIds getSolidFireAccountId getVolumeSnapshotDetails
    archiveSnapshot copySnapshot extractSnapshot createSnapshotFromVMSnapshot createSnapshotPolicy updateSnapshotPolicy
    listSnapshotPolicies deleteSnapshotPolicies addResourceDetail listResourceDetails removeResourceDetail`,
  storage: `findStoragePoolsForMigration syncStoragePool changeStoragePoolScope updateStorageCapabilities listStorageTags
    listAffectedVmsForStorageScopeChange listStoragePoolsMetrics listStoragePoolObjects addImageStore addImageStoreS3
    listImageStores updateImageStore deleteImageStore listImageStoreObjects downloadImageStoreObject createSecondaryStagingStore
    listSecondaryStagingStores deleteSecondaryStagingStore migrateSecondaryStorageData
    migrateResourceToAnotherSecondaryStorage createSecondaryStorageSelector updateSecondaryStorageSelector
    listSecondaryStorageSelectors removeSecondaryStorageSelector`,
  'virtual machines': `restoreVirtualMachine changeServiceForVirtualMachine scaleVirtualMachine migrateVirtualMachine
    migrateVirtualMachineWithVolume findHostsForMigration createVMSnapshot listVMSnapshot deleteVMSnapshot revertToVMSnapshot
    updateVMAffinityGroup resetSSHKeyForVirtualMachine listVirtualMachinesMetrics listInstanceGroups listAffinityGroups
    listSSHKeyPairs createSSHKeyPair deleteSSHKeyPair attachIso`,
  templates: `createTemplate updateTemplate updateTemplatePermissions listTemplatePermissions extractTemplate copyTemplate
    prepareTemplate getUploadParamsForTemplate getUploadParamsForIso registerIso listIsos deleteIso copyIso listIsoPermissions`,
  infrastructure: `reconnectHost prepareHostForMaintenance cancelHostMaintenance listHostsMetrics listInfrastructure listHostTags
    listSystemVms listRouters listManagementServers listRegions listHSMProfiles listVmwareDcs listDedicatedZones listDedicatedPods
    listDedicatedClusters listDedicatedHosts uploadCustomCertificate readyForShutdown`,
  networks: `associateIpAddress disassociateIpAddress listPublicIpAddresses createFirewallRule deleteFirewallRule
    createEgressFirewallRule createPortForwardingRule deletePortForwardingRule listPortForwardingRules createSecurityGroup
    listSecurityGroups createNetwork listNetworks deleteNetwork createNetworkOffering listNetworkOfferings listIpForwardingRules
    createPhysicalNetwork addTrafficType updatePhysicalNetwork updateNetworkServiceProvider listNetworkServiceProviders
    createVlanIpRange listVPCs`,
  'accounts and limits': `updateAccount disableAccount enableAccount lockAccount updateUser disableUser enableUser lockUser getUser
    deleteDomain updateDomain listProjects listRoles createRole listResourceLimits updateResourceLimit updateResourceCount
    listIdps listAndSwitchSamlAccount listOauthProvider forgotPassword listLdapConfigurations addLdapConfiguration
    deleteLdapConfiguration cloudianIsEnabled quotaIsEnabled`,
  'the installation': `resetConfiguration listConfigurationGroups archiveEvents deleteEvents listAlerts listUsageRecords
    generateUsageRecords listUsageTypes listAnnotations listResourceIcon listGuiThemes`,
} as const satisfies Readonly<Record<string, string>>

/** The names of `UNANSWERED`, each once. */
export function unansweredNames(): readonly string[] {
  return Object.values(UNANSWERED).flatMap(namesIn)
}

/** The names in one text of `UNANSWERED`. */
export function namesIn(text: string): readonly string[] {
  return text.split(/\s+/).filter((name) => name !== '')
}
