@description('Required. Name of the storage account.')
param accountName string

@description('Required. Log Analytics workspace that gets who wrote and deleted what; reads are many and change nothing.')
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName

  resource blobs 'blobServices' existing = { name: 'default' }
  resource queues 'queueServices' existing = { name: 'default' }
  resource tables 'tableServices' existing = { name: 'default' }
}

var logs = [
  { category: 'StorageWrite', enabled: true }
  { category: 'StorageDelete', enabled: true }
]
var metrics = [{ category: 'Transaction', enabled: true }]

#disable-next-line use-recent-api-versions // no newer version has category groups
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::blobs
  properties: {
    workspaceId: workspaceId
    logs: logs
    metrics: metrics
  }
}

#disable-next-line use-recent-api-versions // no newer version has category groups
resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::queues
  properties: {
    workspaceId: workspaceId
    logs: logs
    metrics: metrics
  }
}

#disable-next-line use-recent-api-versions // no newer version has category groups
resource tableDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::tables
  properties: {
    workspaceId: workspaceId
    logs: logs
    metrics: metrics
  }
}
