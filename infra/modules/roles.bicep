import { resourceNames } from 'names.bicep'
import { roleIds } from 'types.bicep'

@description('Required. Names of what is deployed; empty for what is not.')
param names resourceNames

@description('Required. Object id of the operator; empty for none.')
param operatorPrincipalId string

@description('Required. What operatorPrincipalId is.')
param operatorPrincipalType 'User' | 'Group' | 'ServicePrincipal'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.identity
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: names.storage
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: names.registry
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: names.appInsights
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = if (!empty(names.topic)) {
  name: names.topic
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = if (!empty(names.vault)) {
  name: names.vault
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

resource sendEvents 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.topic)) {
  name: guid(topic.id, identity.id, roleIds.eventGridDataSender)
  scope: topic
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.eventGridDataSender)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource readSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.vault)) {
  name: guid(vault.id, identity.id, roleIds.keyVaultSecretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource writeSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.vault) && !empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, roleIds.keyVaultSecretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsOfficer)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}
