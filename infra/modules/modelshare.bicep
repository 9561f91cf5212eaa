import { resourceNames } from 'names.bicep'
import { tagMap } from 'types.bicep'

@description('Required. Names of the account and of the network.')
param names resourceNames

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Log Analytics workspace that gets who wrote and deleted what.')
param workspaceId string

@description('Required. Size of the share.')
param sizeGiB int

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: names.network

  resource apps 'subnets' existing = { name: 'apps' }
}

@description('NFS needs no key: access follows the network, so the account admits the apps\' subnet alone. NFS 4.1 knows no TLS, hence no HTTPS requirement.')
resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: names.modelStorage
  location: location
  tags: tags
  kind: 'FileStorage'
  sku: { name: 'Premium_LRS' }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: false
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      virtualNetworkRules: [{ id: network::apps.id, action: 'Allow' }]
    }
  }

  resource files 'fileServices' = {
    name: 'default'

    resource models 'shares' = {
      name: 'models'
      properties: { enabledProtocols: 'NFS', rootSquash: 'RootSquash', shareQuota: sizeGiB }
    }
  }
}

#disable-next-line use-recent-api-versions // no newer version has category groups
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::files
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}
