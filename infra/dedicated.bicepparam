using 'main.bicep'

// An example of several GPUs in a replica: a machine of two A100, one model's layers over both.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'two')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westus3')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param workerImage = readEnvironmentVariable('SERVICE_WORKER_IMAGE_NAME', 'registry.example.com/batch/worker:1')
param gpuProfile = 'NC48-A100'
param device = 'cuda:0+cuda:1'
param modelBlob = 'my-model'
param minReplicas = 1
param maxReplicas = 2
param settings = {
  Engine: { MaxBatchedTokens: 2048, GpuMemoryUtilization: '0.85' }
  Batches: { TenantWeights: { research: '2' } }
  // A small one beside it, on the first GPU.
  Models: {
    draft: { ModelPath: '/opt/models/draft-5m', Device: 'cuda:0', CacheTokens: 65536 }
  }
}
