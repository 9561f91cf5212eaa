import { tagMap } from 'types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. End of every name.')
param token string

@description('Required. Virtual network that resolves the private names.')
param networkId string

@description('Required. Subnet of the endpoints.')
param subnetId string

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Name of the registry.')
param registryName string

@description('Optional. Name of the Event Grid topic, if there is one.')
param topicName string?

@description('Optional. Name of the Key Vault, if there is one.')
param vaultName string?

var storageId = resourceId('Microsoft.Storage/storageAccounts', storageAccountName)
var storageSuffix = environment().suffixes.storage

@description('Service to target and DNS zone.')
var links = union(
  {
    blob: { target: storageId, zone: 'privatelink.blob.${storageSuffix}' }
    queue: { target: storageId, zone: 'privatelink.queue.${storageSuffix}' }
    table: { target: storageId, zone: 'privatelink.table.${storageSuffix}' }
    registry: {
      target: resourceId('Microsoft.ContainerRegistry/registries', registryName)
      zone: 'privatelink${environment().suffixes.acrLoginServer}'
    }
  },
  topicName == null
    ? {}
    : {
        topic: {
          target: resourceId('Microsoft.EventGrid/topics', topicName!)
          zone: 'privatelink.eventgrid.azure.net'
        }
      },
  vaultName == null
    ? {}
    : {
        vault: {
          target: resourceId('Microsoft.KeyVault/vaults', vaultName!)
          zone: 'privatelink${replace(environment().suffixes.keyvaultDns, 'vault', 'vaultcore')}'
        }
      }
)

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for link in items(links): {
    name: link.value.zone
    location: 'global'
    tags: tags
  }
]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (link, i) in items(links): {
    parent: zones[i]
    name: 'vnet-${token}'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: networkId }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for link in items(links): {
    name: 'pe-${link.key}-${token}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: link.key
          properties: { privateLinkServiceId: link.value.target, groupIds: [link.key] }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (link, i) in items(links): {
    parent: endpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [{ name: link.key, properties: { privateDnsZoneId: zones[i].id } }]
    }
  }
]
