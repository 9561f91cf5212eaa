import { tagMap } from 'types.bicep'

@description('Required. Domain of the environment, below which its apps have their names.')
param domain string

@description('Required. Address at which the environment answers for all of them.')
param address string

@description('Required. Tags.')
param tags tagMap

@description('Required. Virtual network that resolves the names.')
param networkId string

@description('Nobody else answers for the names of an environment without public addresses.')
resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: domain
  location: 'global'
  tags: tags

  resource apps 'A' = {
    name: '*'
    properties: { ttl: 3600, aRecords: [{ ipv4Address: address }] }
  }

  resource link 'virtualNetworkLinks' = {
    name: 'apps'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: networkId }
    }
  }
}
