using System.ComponentModel;
using System.Reflection;
using Batch.LocalHost.Functions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Azure.Functions.Worker;

namespace Batch.LocalHost.Http;

/// <summary>What an HTTP-triggered function may look like, and the values its parameters get from a request.</summary>
internal static class HttpBinding
{
    public static string Route(Function function) => ((HttpTriggerAttribute)function.Trigger).Route ?? function.Name;

    public static void Check(Function function)
    {
        if (function.TriggerParameter.ParameterType != typeof(HttpRequest))
        {
            throw function.Invalid($"an HTTP trigger binds to HttpRequest, not to {function.TriggerParameter.ParameterType}.");
        }

        var returned = function.Method.ReturnType;
        var result = returned.IsGenericType && returned.GetGenericTypeDefinition() == typeof(Task<>) ? returned.GenericTypeArguments[0] : returned;
        if (!typeof(IResult).IsAssignableFrom(result))
        {
            throw function.Invalid($"it returns {returned}; an HTTP function returns IResult or Task<IResult>.");
        }

        CheckRoute(function);
    }

    /// <exception cref="BadHttpRequestException">A part of the route cannot be read as the parameter's type.</exception>
    public static object? Bind(ParameterInfo parameter, HttpRequest request)
    {
        if (parameter.ParameterType == typeof(HttpRequest))
        {
            return request;
        }

        if (request.RouteValues[parameter.Name!] is not string text)
        {
            return parameter.HasDefaultValue ? parameter.DefaultValue : null;
        }

        try
        {
            return TypeDescriptor.GetConverter(parameter.ParameterType).ConvertFromInvariantString(text);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or NotSupportedException)
        {
            throw new BadHttpRequestException($"'{text}' is not a valid {parameter.Name}.", e);
        }
    }

    private static void CheckRoute(Function function)
    {
        RoutePattern pattern;
        try
        {
            pattern = RoutePatternFactory.Parse(Route(function));
        }
        catch (RoutePatternException e)
        {
            throw function.Invalid($"its route '{Route(function)}' is not valid: {e.Message}");
        }

        foreach (var parameter in function.Method.GetParameters().Where(p => p != function.TriggerParameter && !FunctionShape.IsCommon(p)))
        {
            if (pattern.GetParameter(parameter.Name!) is null)
            {
                throw function.Invalid($"nothing binds parameter '{parameter.Name}'; its route '{Route(function)}' has no such part.");
            }

            if (!TypeDescriptor.GetConverter(parameter.ParameterType).CanConvertFrom(typeof(string)))
            {
                throw function.Invalid($"parameter '{parameter.Name}' of type {parameter.ParameterType} cannot be read from a route.");
            }
        }
    }
}
