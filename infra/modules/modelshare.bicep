import { tagMap } from 'types.bicep'

@description('Required. Name of the account.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Subnet that may mount the share.')
param appsSubnetId string

@description('Required. Size of the share.')
param sizeGiB int

@description('NFS needs no key: access follows the network, so the account admits the apps\' subnet alone. NFS 4.1 knows no TLS, hence no HTTPS requirement.')
resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
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
      virtualNetworkRules: [{ id: appsSubnetId, action: 'Allow' }]
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
