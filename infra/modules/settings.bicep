import { engineSettings } from 'engineSettings.bicep'
import { accessSettings, auditSettings, batchesSettings, jobsSettings, limitsSettings, webhooksSettings } from 'serviceSettings.bicep'

@export()
@sealed()
@description('Settings that the app gets instead of the defaults below, under the names that docs/operations.md lists. What other parameters decide is not among them, nor are secrets.')
type appSettings = {
  Engine: engineSettings?

  @description('Models beside the default one, by name; what is left out has the code\'s default.')
  Models: { *: engineSettings }?

  Access: accessSettings?
  Limits: limitsSettings?
  Jobs: jobsSettings?
  Batches: batchesSettings?
  Webhooks: webhooksSettings?
  Audit: auditSettings?
  Retention: retentionSettings?
  OpenTelemetry: telemetrySettings?
}

@sealed()
@description('Section Retention, but for Days, which retentionDays decides.')
type retentionSettings = {
  @description('Days for which the audit log is kept.')
  @minValue(1)
  @maxValue(36500)
  AuditDays: int?
}

@sealed()
@description('Where traces, metrics and logs go beside Application Insights; OpenTelemetry\'s own variables.')
type telemetrySettings = {
  @description('Collector that takes OTLP.')
  OTEL_EXPORTER_OTLP_ENDPOINT: string?

  @description('How it is spoken to.')
  OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' | 'http/protobuf'?

  @description('Name of the service in what is sent.')
  OTEL_SERVICE_NAME: string?
}

@export()
@sealed()
@description('Settings that parameters decide.')
type decidedSettings = {
  Engine: engineSettings
  Batches: { Window: int }
  Retention: { Days: int }
}

@export()
@description('An environment variable of the app.')
type environmentVariable = {
  name: string
  value: string
}

@description('What the app gets unless a parameter says otherwise: the defaults of the code, held to them by a test.')
var defaults = {
  Engine: {
    WeightDType: 'auto'
    Threads: 0
    MaxBatchedTokens: 512
    MaxContextLength: 0
    BlockSize: 16
    CacheTokens: 0
    GpuMemoryUtilization: '0.9'
    PrefixCaching: true
    PromptLookupTokens: 16
    PromptLookupMaxNgram: 4
  }
  Access: {
    Required: true
    TrustPrincipal: false
    PrincipalTenantClaim: ''
  }
  Limits: {
    RequestsPerMinute: 6000
    TokensPerMinute: 20000000
  }
  Jobs: {
    EventSource: '/batch'
    MaxInputBytes: 4194304
    InputContainers: 'inputs'
    LinkMinutes: 60
    CheckpointTokens: 256
    CheckpointSeconds: '1'
    SliceCheckpointSeconds: '5'
    LeaseSeconds: '15'
    MaxWaiting: 100000
    MaxWaitingPerTenant: 20000
  }
  Batches: {
    SliceLines: 32
    SliceTokens: 16384
    MaxEnqueuedTokens: 2000000
    OutputContainers: 'outputs'
  }
  Webhooks: {
    AllowHttp: false
    AllowPrivateAddresses: false
    DisableAfterDays: 5
    AttemptsAtOnce: 8
    RetentionDays: 30
  }
  Audit: {
    IncludePrompt: false
    TrustPrincipalHeader: false
  }
  Retention: {
    AuditDays: 365
  }
}

@export()
@description('The app\'s settings as environment variables: the defaults, under what is given, under what parameters decide.')
func environmentVariables(settings appSettings, decided decidedSettings) environmentVariable[] =>
  flatten(map(
    items({
      ...toObject(
        filter(items(union(defaults, settings, decided)), section => contains(defaults, section.key)),
        section => '${section.key}__',
        section => section.value
      )
      ...toObject(items(settings.?Models ?? {}), model => 'Models__${model.key}__', model => model.value)
      Batches__TenantWeights__: settings.?Batches.?TenantWeights ?? {}
      '': settings.?OpenTelemetry ?? {}
    }),
    section =>
      map(
        filter(items(section.value), each => each.key != 'TenantWeights' && !empty(string(each.value ?? ''))),
        each => { name: '${section.key}${each.key}', value: string(each.value) }
      )
  ))
