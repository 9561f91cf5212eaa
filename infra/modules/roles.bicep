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

@description('Who may do what, on what, and nothing else. The Functions host owns its blobs: it keeps leases and function keys there.')
var grants = [
  { on: 'storage', to: 'app', role: roleIds.storageBlobDataOwner }
  { on: 'storage', to: 'app', role: roleIds.storageQueueDataContributor }
  { on: 'storage', to: 'app', role: roleIds.storageTableDataContributor }
  { on: 'storage', to: 'operator', role: roleIds.storageBlobDataContributor }
  { on: 'storage', to: 'operator', role: roleIds.storageQueueDataContributor }
  { on: 'storage', to: 'operator', role: roleIds.storageTableDataContributor }
  { on: 'registry', to: 'app', role: roleIds.acrPull }
  { on: 'appInsights', to: 'app', role: roleIds.monitoringMetricsPublisher }
  { on: 'topic', to: 'app', role: roleIds.eventGridDataSender }
  { on: 'vault', to: 'app', role: roleIds.keyVaultSecretsUser }
  { on: 'vault', to: 'operator', role: roleIds.keyVaultSecretsOfficer }
]

var given = filter(grants, grant => !empty(names[grant.on]) && (grant.to == 'app' || !empty(operatorPrincipalId)))
var keys = { app: identity.id, operator: operatorPrincipalId }
var types = { app: 'ServicePrincipal', operator: operatorPrincipalType }

// One loop for each resource, since the scope of a loop is one.
resource onStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(given, each => each.on == 'storage'): {
    name: guid(account.id, keys[grant.to], grant.role)
    scope: account
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
      principalId: grant.to == 'app' ? identity.properties.principalId : operatorPrincipalId
      principalType: types[grant.to]
    }
  }
]

resource onRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(given, each => each.on == 'registry'): {
    name: guid(registry.id, keys[grant.to], grant.role)
    scope: registry
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
      principalId: grant.to == 'app' ? identity.properties.principalId : operatorPrincipalId
      principalType: types[grant.to]
    }
  }
]

resource onAppInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(given, each => each.on == 'appInsights'): {
    name: guid(appInsights.id, keys[grant.to], grant.role)
    scope: appInsights
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
      principalId: grant.to == 'app' ? identity.properties.principalId : operatorPrincipalId
      principalType: types[grant.to]
    }
  }
]

resource onTopic 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(given, each => each.on == 'topic'): {
    name: guid(topic.id, keys[grant.to], grant.role)
    scope: topic
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
      principalId: grant.to == 'app' ? identity.properties.principalId : operatorPrincipalId
      principalType: types[grant.to]
    }
  }
]

resource onVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in filter(given, each => each.on == 'vault'): {
    name: guid(vault.id, keys[grant.to], grant.role)
    scope: vault
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', grant.role)
      principalId: grant.to == 'app' ? identity.properties.principalId : operatorPrincipalId
      principalType: types[grant.to]
    }
  }
]
