using System.ComponentModel.DataAnnotations;
using Batch.Inference.Engine;
using Microsoft.Extensions.Options;

namespace Batch.Jobs;

/// <summary>
/// Section <c>Models</c>: models beside the default one, which section <c>Engine</c> describes. <c>Models:{name}:ModelPath</c> and so on have the settings of
/// <c>Engine</c> with the same defaults; nothing is taken over from it.
/// </summary>
public sealed class ModelsOptions : Dictionary<string, EngineOptions>
{
    public ModelsOptions()
        : base(StringComparer.Ordinal)
    {
    }
}

/// <summary>Checks each model's options as those of the default model are checked, and that every name means one model.</summary>
public sealed class ModelsOptionsValidation(IOptions<EngineOptions> standard) : IValidateOptions<ModelsOptions>
{
    public ValidateOptionsResult Validate(string? name, ModelsOptions options)
    {
        var faults = new List<string>();
        foreach (var (model, engine) in options)
        {
            var results = new List<ValidationResult>();
            Validator.TryValidateObject(engine, new ValidationContext(engine), results, validateAllProperties: true);
            faults.AddRange(results.Select(r => $"Models:{model}: {r.ErrorMessage}"));
            if (engine.ModelName is not null && engine.ModelName != model)
            {
                faults.Add($"Models:{model}:ModelName must be left out or '{model}', was '{engine.ModelName}'");
            }

            if (model == EngineHost.NameOf(standard.Value))
            {
                faults.Add($"Models:{model} has the name of the default model, at {standard.Value.ModelPath}; give one of them another name");
            }
        }

        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }
}
