import { gpuProfiles, gpuProfileType, replicaResources } from 'types.bicep'
import { weightsType } from 'engineSettings.bicep'
import { appSettings, decidedSettings } from 'settings.bicep'

@export()
@description('The engine\'s device, where it uses the GPUs that gpuProfile has.')
func checkDevice(device string, gpuProfile gpuProfileType) string =>
  device == 'cuda' && gpuProfiles[gpuProfile].gpus > 1
    ? fail('device cuda uses one GPU of the several that gpuProfile has: take cuda:*, or name all of them with + between')
    : contains(device, '+') && length(split(device, '+')) != gpuProfiles[gpuProfile].gpus
        ? fail('device must name as many GPUs as gpuProfile has')
        : device

@export()
@description('The weights\' type, where the GPU computes it.')
func checkDType(dtype weightsType, gpuProfile gpuProfileType) weightsType =>
  dtype == 'bfloat16' && contains(gpuProfile, 'T4')
    ? fail('dtype bfloat16 needs an A100: a T4 computes it in software; take float16 or auto')
    : dtype

@export()
@description('What a replica takes of its profile: what is asked for, or all.')
func checkResources(gpuProfile gpuProfileType, cpu int, memoryGiB int) replicaResources => {
  cpu: cpu > gpuProfiles[gpuProfile].cpu
    ? fail('replicaCpu is more than gpuProfile has')
    : cpu == 0 ? gpuProfiles[gpuProfile].cpu : cpu
  memoryGiB: memoryGiB > gpuProfiles[gpuProfile].memoryGiB
    ? fail('replicaMemoryGiB is more than gpuProfile has')
    : memoryGiB == 0 ? gpuProfiles[gpuProfile].memoryGiB : memoryGiB
}

@export()
@description('Whether there is a share for models.')
func checkModelShare(sizeGiB int, isolateNetwork bool, modelPath string, modelBlob string) bool =>
  sizeGiB == 0
    ? empty(modelBlob) && startsWith('${modelPath}/', '/models/')
        ? fail('modelPath is on the model share, which needs modelShareGiB')
        : false
    : sizeGiB < 100
        ? fail('modelShareGiB is less than 100, the smallest NFS share')
        : !isolateNetwork
            ? fail('modelShareGiB needs isolateNetwork: NFS has no keys, the network guards it')
            : empty(modelBlob)
                ? true
                : fail('modelBlob and modelShareGiB exclude each other: with a share the model is modelPath, below /models')

@export()
@description('The fewest and the most replicas.')
func checkReplicas(min int, max int, quota int) { min: int, max: int } => {
  min: min > max ? fail('minReplicas is greater than maxReplicas') : min
  max: quota > 0 && max > quota
    ? fail('maxReplicas is greater than replicaQuota: replicas beyond the quota never start')
    : max
}

@export()
@description('The app\'s settings, where none is decided elsewhere or opens what is closed.')
func checkSettings(settings appSettings, decided decidedSettings, isPublic bool, isolateNetwork bool) appSettings =>
  contains(settings.?Engine ?? {}, 'ModelPath') || !empty(intersection(
      objectKeys(settings.?Engine ?? {}),
      objectKeys(decided.Engine)
    ))
    ? fail('settings.Engine must leave out ModelPath, ${join(objectKeys(decided.Engine), ', ')}: modelPath, modelBlob, device, dtype and host.json decide them')
    : settings.?Engine.?WeightDType == 'int8' && decided.Engine.?Device != 'cpu'
        ? fail('settings.Engine.WeightDType int8 needs device cpu: no GPU kernel takes it')
        : settings.?Access.?Required == false && isPublic
            ? fail('settings.Access.Required false opens the API to the internet: it needs ingress internal or isolateNetwork')
            : (settings.?Webhooks.?AllowHttp ?? false) || (settings.?Webhooks.?AllowPrivateAddresses ?? false)
                ? isolateNetwork
                    ? settings
                    : fail('settings.Webhooks.AllowHttp and AllowPrivateAddresses need isolateNetwork: outside of it no receiver is private')
                : settings

@export()
@description('The consumers of the topic, each of which names a queue.')
func checkConsumers(consumers string[], hasTopic bool) string[] =>
  !empty(consumers) && !hasTopic ? fail('eventConsumers needs eventGrid') : length(union(consumers, [])) < length(consumers) ? fail('eventConsumers must differ from each other') : toLower(string(consumers)) != string(consumers) || contains(string(consumers), 'poison') ? fail('eventConsumers must be in lower case and without poison: they end the names of queues, and alerts watch for poison') : consumers

@export()
@description('Addresses of the virtual network.')
func checkAddresses(addresses string) string =>
  int(last(split(addresses, '/'))) > 22
    ? fail('networkAddresses must be a /22 or more: half of it is for replicas, a quarter for private endpoints')
    : addresses

@export()
@description('First day of the budget.')
func checkStartDate(date string) string =>
  length(date) == 10 && endsWith(date, '-01')
    ? date
    : fail('monthlyBudget needs budgetStartDate, the first day of a month: yyyy-MM-01')
