import { containers, deadLetterContainer, queues as queueNames, redundancyType, tables as tableNames, tagMap } from 'types.bicep'

@description('Required. Name of the account.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. Copies of the data: in one data centre, in the region\'s zones, or also in the paired region.')
param redundancy redundancyType

@description('Required. Log Analytics workspace that gets the write and delete logs.')
param workspaceId string

@description('Required. Days after their last change after which blobs go that the program does not remove itself: outputs of batches and dead letters.')
@minValue(1)
param retentionDays int

@description('Required. Refuse public traffic. Public access itself stays on: Event Grid delivers through the trusted-services exception only.')
param isolateNetwork bool

// The program removes the rest when its time is over. The rules below are a net for what it could not, and leave all that may still be in use: a batch may run for a year. What callers put into
// inputs is theirs: a schedule reads its rows there for as long as it runs.
var daysByContainer = {
  outputs: retentionDays
  '${deadLetterContainer}': retentionDays
  results: retentionDays + 400
  progress: retentionDays + 400
  files: retentionDays + 400
  batches: retentionDays + 400
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_${redundancy}' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isolateNetwork ? 'Deny' : 'Allow'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource container 'containers' = [
      for container in concat(containers, [deadLetterContainer]): {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource queue 'queues' = [
      for queue in items(queueNames): {
        name: queue.value
      }
    ]
  }

  resource tables 'tableServices' = {
    name: 'default'

    resource table 'tables' = [
      for table in tableNames: {
        name: table
      }
    ]
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    dependsOn: [blobs]
    properties: {
      policy: {
        rules: [
          for container in items(daysByContainer): {
            enabled: true
            name: 'expire-${container.key}'
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob', 'appendBlob'], prefixMatch: ['${container.key}/'] }
              actions: {
                baseBlob: { delete: { daysAfterModificationGreaterThan: container.value } }
              }
            }
          }
        ]
      }
    }
  }
}

module diagnostics 'storageDiagnostics.bicep' = {
  params: { accountName: account.name, workspaceId: workspaceId }
}

output queueServiceId string = account::queues.id
