using System.Globalization;
using System.Text.RegularExpressions;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Configuration;

namespace Batch.Cli.Doctor;

/// <summary>host.json against the engine's places and the scale rules: too few jobs leave the GPU half empty, too many wait where no other replica can take them.</summary>
internal static partial class HostCheck
{
    private const string Area = "host.json";
    private const string Queues = "AzureFunctionsJobHost:extensions:queues";

    /// <param name="configuration">With host.json in it, as the host reads it.</param>
    /// <param name="root">Folder of host.json; the templates are looked for beside it.</param>
    public static IEnumerable<Finding> Run(IConfiguration configuration, string root)
    {
        var queues = configuration.GetSection(Queues);
        if (!queues.Exists())
        {
            yield return Finding.Problem(Area, $"{Path.Combine(root, "host.json")} has no extensions.queues", "copy host.json from Batch's root folder, or name its folder with --root");
            yield break;
        }

        var batch = queues.GetValue("batchSize", 16);
        if (queues["newBatchThreshold"] is null)
        {
            yield return Finding.Problem(Area, $"newBatchThreshold is not set: the host takes batchSize / 2 for each processor, {batch / 2 * Environment.ProcessorCount} here and another number on another machine", $"set newBatchThreshold to {batch}");
            yield break;
        }

        var jobs = batch + queues.GetValue("newBatchThreshold", 0);
        yield return Places(jobs, configuration.GetValue("Engine:MaxSequences", 32));
        foreach (var finding in Messages(queues).Concat(Timeout(configuration)).Concat(Scale(jobs, root)))
        {
            yield return finding;
        }
    }

    private static Finding Places(int jobs, int places) => jobs == places
        ? Finding.Ok(Area, $"{jobs} jobs at once (batchSize + newBatchThreshold) for {places} places in the engine (Engine:MaxSequences)")
        : jobs < places
            ? Finding.Warning(Area, $"{jobs} jobs at once (batchSize + newBatchThreshold), and {places} places in the engine: {places - jobs} stay empty", $"set Engine:MaxSequences to {jobs}, or raise batchSize and newBatchThreshold to {places} together")
            : Finding.Warning(Area, $"{jobs} jobs at once (batchSize + newBatchThreshold), and {places} places in the engine: {jobs - places} wait here, where no other replica can take them", $"set Engine:MaxSequences to {jobs}, or lower batchSize and newBatchThreshold to {places} together");

    private static IEnumerable<Finding> Messages(IConfigurationSection queues)
    {
        var encoding = queues.GetValue("messageEncoding", "base64");
        yield return string.Equals(encoding, "base64", StringComparison.OrdinalIgnoreCase)
            ? Finding.Ok(Area, "messages are base64, as Batch sends them")
            : Finding.Problem(Area, $"messageEncoding is '{encoding}', and Batch sends base64", "set messageEncoding to base64");

        if (queues.GetValue("maxDequeueCount", 5) is not JobQueues.MaxDequeueCount and var count)
        {
            yield return Finding.Problem(Area, $"maxDequeueCount is {count}; slices of batches count {JobQueues.MaxDequeueCount} deliveries", $"set maxDequeueCount to {JobQueues.MaxDequeueCount}");
        }

        if (queues.GetValue("visibilityTimeout", TimeSpan.Zero) <= TimeSpan.Zero)
        {
            yield return Finding.Warning(Area, "visibilityTimeout is 0: a job that fails uses up its deliveries within a second", "set visibilityTimeout to 00:00:05");
        }
    }

    private static IEnumerable<Finding> Timeout(IConfiguration configuration)
    {
        if (configuration["AzureFunctionsJobHost:functionTimeout"] is not "-1" and var timeout)
        {
            yield return Finding.Warning(Area, $"functionTimeout is {timeout ?? "not set, which is 30 minutes"}: it restarts the worker, and with it every text in work", "set functionTimeout to -1");
        }
    }

    private static IEnumerable<Finding> Scale(int jobs, string root)
    {
        // The template for Container Apps reads host.json itself.
        var manifest = Path.Combine(root, "infra", "kubernetes", "batch.yaml");
        if (File.Exists(manifest) && KubernetesJobs().Match(File.ReadAllText(manifest)) is { Success: true } rule)
        {
            var length = int.Parse(rule.Groups[1].Value, CultureInfo.InvariantCulture);
            yield return length == jobs
                ? Finding.Ok(Area, $"the scale rules count {jobs} jobs for a replica, too")
                : Finding.Warning(Area, $"queueLength of batch-jobs in infra/kubernetes/batch.yaml is {length}, a replica takes {jobs}", $"set queueLength to {jobs}");
        }
    }

    [GeneratedRegex(@"queueName: batch-jobs\s+queueLength: ""(\d+)""")]
    private static partial Regex KubernetesJobs();
}
