import { roleIds } from 'types.bicep'

@description('Required. Name of the app\'s identity.')
param identityName string

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Name of the registry.')
param registryName string

@description('Required. Name of the Application Insights component.')
param appInsightsName string

@description('Optional. Name of the Event Grid topic, if there is one.')
param topicName string?

@description('Optional. Name of the Key Vault, if there is one.')
param vaultName string?

@description('Required. Object id of the operator; empty for none.')
param operatorPrincipalId string

@description('Required. What operatorPrincipalId is.')
param operatorPrincipalType 'User' | 'Group' | 'ServicePrincipal'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = if (topicName != null) {
  name: topicName!
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = if (vaultName != null) {
  name: vaultName!
}

@description('What each principal may do with the account\'s data. The Functions host owns its blobs: it keeps leases and function keys there.')
var storageGrants = {
  appBlobs: { to: 'app', role: roleIds.storageBlobDataOwner }
  appQueues: { to: 'app', role: roleIds.storageQueueDataContributor }
  appTables: { to: 'app', role: roleIds.storageTableDataContributor }
  operatorBlobs: { to: 'operator', role: roleIds.storageBlobDataContributor }
  operatorQueues: { to: 'operator', role: roleIds.storageQueueDataContributor }
  operatorTables: { to: 'operator', role: roleIds.storageTableDataContributor }
}

resource storageAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in items(storageGrants): if (grant.value.to == 'app' || !empty(operatorPrincipalId)) {
    name: guid(account.id, grant.value.to == 'app' ? identity.id : operatorPrincipalId, grant.value.role)
    scope: account
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.value.role)
      principalId: grant.value.to == 'app' ? identity.properties.principalId : operatorPrincipalId
      principalType: grant.value.to == 'app' ? 'ServicePrincipal' : operatorPrincipalType
    }
  }
]

resource pullImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, identity.id, roleIds.acrPull)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.acrPull)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource publishTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(appInsights.id, identity.id, roleIds.monitoringMetricsPublisher)
  scope: appInsights
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roleIds.monitoringMetricsPublisher
    )
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource sendEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (topicName != null) {
  name: guid(topic.id, identity.id, roleIds.eventGridDataSender)
  scope: topic
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.eventGridDataSender)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource readSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (vaultName != null) {
  name: guid(vault.id, identity.id, roleIds.keyVaultSecretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource writeSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (vaultName != null && !empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, roleIds.keyVaultSecretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsOfficer)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}
