using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.LocalHost.Hosting;

/// <summary>Where a started host serves its HTTP functions.</summary>
public static class LocalHostAddress
{
    /// <exception cref="InvalidOperationException">The host has not started.</exception>
    public static Uri GetHttpAddress(this IHost host) =>
        host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() is { } address
            ? new Uri(address)
            : throw new InvalidOperationException("The host has no address before it has started.");
}
