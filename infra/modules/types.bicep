@export()
@description('Resource tags.')
type tagMap = {
  *: string
}

@export()
@description('Workload profiles with GPUs. Consumption-GPU ones hand a whole GPU to each replica and bill by the second; the others are machines of one, two and four A100, billed while they exist.')
type gpuProfileType = 'Consumption-GPU-NC8as-T4' | 'Consumption-GPU-NC24-A100' | 'NC24-A100' | 'NC48-A100' | 'NC96-A100'

@export()
@description('What a replica may take of its profile; a dedicated machine keeps some for itself.')
var gpuProfiles = {
  'Consumption-GPU-NC8as-T4': { gpus: 1, cpu: 8, memoryGiB: 56 }
  'Consumption-GPU-NC24-A100': { gpus: 1, cpu: 24, memoryGiB: 220 }
  'NC24-A100': { gpus: 1, cpu: 22, memoryGiB: 200 }
  'NC48-A100': { gpus: 2, cpu: 44, memoryGiB: 400 }
  'NC96-A100': { gpus: 4, cpu: 88, memoryGiB: 800 }
}

@export()
@minLength(3)
@maxLength(50)
@description('Name of a consumer of events: of its subscription, and the end of its queue\'s.')
type consumerName = string

@export()
@description('Copies that a storage account keeps.')
type redundancyType = 'LRS' | 'ZRS' | 'GRS' | 'GZRS'

@export()
@description('What a replica has beside its GPUs.')
type replicaResources = {
  @description('vCPUs.')
  cpu: int

  @description('GiB of memory.')
  memoryGiB: int
}

@export()
@description('Secrets of the vault, and the settings that hold them.')
var vaultSecrets = {
  'webhooks-secret': 'Webhooks__Secret'
  'webhooks-encryption-key': 'Webhooks__EncryptionKey'
}

@export()
@description('Queues, as the code names them.')
var queues = {
  jobs: 'batch-jobs'
  poisonJobs: 'batch-jobs-poison'
  failedJobs: 'batch-jobs-failed'
  events: 'batch-events'
  webhooks: 'batch-webhooks'
  poisonWebhooks: 'batch-webhooks-poison'
  lines: 'batch-lines'
  poisonLines: 'batch-lines-poison'
  dispatch: 'batch-dispatch'
  poisonDispatch: 'batch-dispatch-poison'
}

@export()
@description('Tables, as the code names them.')
var tables = [
  'jobs'
  'audit'
  'apikeys'
  'schedules'
  'scheduleruns'
  'files'
  'batches'
  'expiries'
  'idempotency'
  'webhookendpoints'
  'webhookdeliveries'
]

@export()
@description('Blob containers, as the code names them.')
var containers = ['inputs', 'outputs', 'results', 'progress', 'files', 'batches', modelsContainer]

@export()
@description('Container for models that replicas read at start; nothing in it expires.')
var modelsContainer = 'models'

@export()
@description('Container for events that Event Grid could not deliver.')
var deadLetterContainer = 'deadletter'

@export()
@description('Built-in roles that the templates grant.')
var roleIds = {
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  eventGridDataSender: 'd5a91429-5739-47e2-a06b-3470a27159e7'
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}
