using System.Text.Json.Nodes;

namespace Batch.Cli;

/// <summary>A job of the demo and how it should end.</summary>
internal sealed record DemoJob(string Id, JsonObject Request, string ExpectedStatus)
{
    public string Title => Request["metadata"]?["title"]?.ToString() ?? Id;

    public string Prompt => Request["prompt"]?.ToString() ?? "";
}
