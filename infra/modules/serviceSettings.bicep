import { decimal } from 'engineSettings.bicep'

@export()
@sealed()
@description('Section Access: who may come in.')
type accessSettings = {
  @description('Ask for an API key on every /v1 route.')
  Required: bool?

  @description('Take callers from X-MS-CLIENT-PRINCIPAL: only behind Azure\'s built-in authentication.')
  TrustPrincipal: bool?

  @description('Claim of a principal that names its tenant.')
  PrincipalTenantClaim: string?
}

@export()
@sealed()
@description('Section Limits: what a tenant may ask of a replica.')
type limitsSettings = {
  @description('Requests of any kind.')
  @minValue(1)
  @maxValue(10000000)
  RequestsPerMinute: int?

  @description('Estimated tokens of jobs and completions.')
  @minValue(1)
  @maxValue(2000000000)
  TokensPerMinute: int?
}

@export()
@sealed()
@description('Section Jobs.')
type jobsSettings = {
  @description('Source of the events.')
  @minLength(1)
  EventSource: string?

  @description('Bytes of the largest submission and input blob.')
  @minValue(1024)
  @maxValue(67108864)
  MaxInputBytes: int?

  @description('Containers, separated by commas, that input_blob may name.')
  @minLength(1)
  InputContainers: string?

  @description('Minutes for which result_url and download_url can be read; 0 leaves them unsigned.')
  @minValue(0)
  @maxValue(10080)
  LinkMinutes: int?

  @description('Most tokens of a job that are computed again when its process dies.')
  @minValue(2)
  @maxValue(1000000)
  CheckpointTokens: int?

  @description('Seconds after which a job\'s checkpoint is written, too.')
  CheckpointSeconds: decimal?

  @description('The same for a slice of a batch.')
  SliceCheckpointSeconds: decimal?

  @description('Seconds without a sign of life after which a run is taken over.')
  LeaseSeconds: decimal?

  @description('Most jobs that wait, of all tenants.')
  @minValue(1)
  @maxValue(100000000)
  MaxWaiting: int?

  @description('Most jobs that wait, of one tenant.')
  @minValue(1)
  @maxValue(100000000)
  MaxWaitingPerTenant: int?
}

@export()
@sealed()
@description('Section Batches.')
type batchesSettings = {
  @description('Most lines of a slice.')
  @minValue(1)
  @maxValue(256)
  SliceLines: int?

  @description('Most tokens of a slice of several lines.')
  @minValue(1)
  @maxValue(1000000)
  SliceTokens: int?

  @description('Most estimated tokens that a tenant may have admitted and not finished.')
  @minValue(1)
  MaxEnqueuedTokens: int?

  @description('Shares of tenants in admission that differ from 1, by name.')
  TenantWeights: { *: decimal }?

  @description('Containers, separated by commas, that output_folder may name.')
  @minLength(1)
  OutputContainers: string?
}

@export()
@sealed()
@description('Section Webhooks, but for its secrets, which come from the Key Vault.')
type webhooksSettings = {
  @description('Also send by http.')
  AllowHttp: bool?

  @description('Also send to loopback, private and link-local addresses.')
  AllowPrivateAddresses: bool?

  @description('Days of failed attempts after which an endpoint is disabled.')
  @minValue(4)
  @maxValue(365)
  DisableAfterDays: int?

  @description('Attempts that a replica makes at one receiver at once.')
  @minValue(1)
  @maxValue(256)
  AttemptsAtOnce: int?

  @description('Days for which deliveries stay in the log.')
  @minValue(4)
  @maxValue(365)
  RetentionDays: int?
}

@export()
@sealed()
@description('Section Audit.')
type auditSettings = {
  @description('Keep the prompt beside its hash.')
  IncludePrompt: bool?

  @description('Take the caller\'s name from X-MS-CLIENT-PRINCIPAL-NAME: only behind Azure\'s built-in authentication.')
  TrustPrincipalHeader: bool?
}
