using 'main.bicep'

// An example of a model of one's own without a network: read from the storage account by each replica at start, on a T4.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'test')
param location = readEnvironmentVariable('AZURE_LOCATION', 'swedencentral')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param workerImage = readEnvironmentVariable('SERVICE_WORKER_IMAGE_NAME', 'registry.example.com/batch/worker:1')
param ingress = 'external'
param dtype = 'float16'
// A replica's vCPUs and memory cost more than its T4: a model that lies on the GPU needs few of either.
param replicaCpu = 4
param replicaMemoryGiB = 16
param modelBlob = 'my-model'
param storageRedundancy = 'LRS' // outlives no fire in the data centre, and costs the least
param maxReplicas = 2
param replicaQuota = 2
param alertEmails = ['ops@example.com']
param oldestMessageMinutes = 30
