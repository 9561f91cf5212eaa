import { tagMap } from 'types.bicep'

@description('Required. Name of the registry.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Whether the registry answers outside of the virtual network.')
param publicNetworkAccess 'Enabled' | 'Disabled'

@description('Required. Log Analytics workspace that gets the log of logins, pushes and pulls.')
param workspaceId string

@description('Premium: private endpoints, retention, and artifact streaming, which starts an image of several gigabytes sooner.')
resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Premium' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: publicNetworkAccess
    networkRuleBypassOptions: 'AzureServices'
    policies: {
      exportPolicy: { status: publicNetworkAccess == 'Enabled' ? 'enabled' : 'disabled' }
      retentionPolicy: { days: 7, status: 'enabled' }
    }
  }
}

#disable-next-line use-recent-api-versions // no newer version has category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: registry
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output loginServer string = registry.properties.loginServer
