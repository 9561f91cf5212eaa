import { resourceNames } from 'names.bicep'
import { tagMap } from 'types.bicep'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags tagMap

@description('Required. End of every name.')
param token string

@description('Required. Names of what is deployed; empty for what is not.')
param names resourceNames

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = {
  name: names.network

  resource endpoints 'subnets' existing = { name: 'endpoints' }
}

var storageId = resourceId('Microsoft.Storage/storageAccounts', names.storage)
var storageSuffix = environment().suffixes.storage

@description('Service to target and DNS zone.')
var links = union(
  {
    blob: { target: storageId, zone: 'privatelink.blob.${storageSuffix}' }
    queue: { target: storageId, zone: 'privatelink.queue.${storageSuffix}' }
    table: { target: storageId, zone: 'privatelink.table.${storageSuffix}' }
    registry: {
      target: resourceId('Microsoft.ContainerRegistry/registries', names.registry)
      zone: 'privatelink${environment().suffixes.acrLoginServer}'
    }
  },
  empty(names.topic)
    ? {}
    : {
        topic: {
          target: resourceId('Microsoft.EventGrid/topics', names.topic)
          zone: 'privatelink.eventgrid.azure.net'
        }
      },
  empty(names.vault)
    ? {}
    : {
        vault: {
          target: resourceId('Microsoft.KeyVault/vaults', names.vault)
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
      virtualNetwork: { id: network.id }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for link in items(links): {
    name: 'pe-${link.key}-${token}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::endpoints.id }
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
