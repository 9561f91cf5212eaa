using System.Runtime.InteropServices;
using Batch.Inference.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>All that depends on the device: which one, and which dtype it computes in.</summary>
internal static partial class Devices
{
    private const int ComputeCapabilityMajor = 75; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    private const int FirstWithBFloat16 = 8; // Ampere

    /// <summary>Call before any other use of torch in the process: CUDA's libraries load in a fixed order.</summary>
    public static Device Resolve(string name)
    {
        LetIdleThreadsSleep();
        if (name == "cpu" || IsNumbered(name, "cpu:"))
        {
            return CPU;
        }
        if (name != "auto" && name != "cuda" && !IsNumbered(name, "cuda:"))
        {
            throw new ArgumentException($"Device must be auto, cpu, cuda or cuda:N, several of them separated by commas (a replica on each) or by + (a model's layers spread over them), or cuda:*; was '{name}'");
        }
        var available = cuda.is_available();
        if (name == "auto" && !available)
        {
            return CPU;
        }
        if (!available)
        {
            throw new InvalidOperationException($"Device is '{name}', but no CUDA device is usable here: it takes an NVIDIA driver and a build with -p:Accelerator=cuda");
        }
        InitializeDeviceType(DeviceType.CUDA);
        return name is "auto" or "cuda" ? new Device(DeviceType.CUDA, 0) : new Device(name);
    }

    /// <summary>The devices that hold one model's layers together: "cuda:0+cuda:1", or one alone.</summary>
    public static IReadOnlyList<Device> ResolveAll(string names)
    {
        Device[] devices = [.. names.Split('+', StringSplitOptions.TrimEntries).Select(Resolve)];
        return devices.Select(device => device.type).Distinct().Count() == 1 ? devices
            : throw new ArgumentException($"Device must spread a model over devices of one kind, was '{names}'");
    }

    /// <summary>The devices that a setting names: one, or several for a replica on each; a replica may be spread over several itself. "cpu:N" are parts of one CPU.</summary>
    public static IReadOnlyList<string> Split(string names)
    {
        if (names == "cuda:*")
        {
            var count = cuda.device_count();
            return count > 0 ? [.. Enumerable.Range(0, count).Select(i => $"cuda:{i}")] : ["cuda"];
        }
        var devices = names.Split(',', StringSplitOptions.TrimEntries);
        var each = names.Split([',', '+'], StringSplitOptions.TrimEntries);
        return each.Distinct().Count() == each.Length ? devices
            : throw new ArgumentException($"Device must name each device once, was '{names}'");
    }

    /// <summary>Free and whole memory of a device that has its own; null for the CPU.</summary>
    public static DeviceMemory? Memory(Device device)
    {
        if (device.type != DeviceType.CUDA)
        {
            return null;
        }
        // The context that libtorch has made current on this device; retained for the call in case this thread has none.
        Check(cuInit(0), nameof(cuInit));
        Check(cuDeviceGet(out var number, device.index), nameof(cuDeviceGet));
        Check(cuDevicePrimaryCtxRetain(out var context, number), nameof(cuDevicePrimaryCtxRetain));
        try
        {
            Check(cuCtxPushCurrent(context), nameof(cuCtxPushCurrent));
            Check(cuMemGetInfo(out var free, out var total), nameof(cuMemGetInfo));
            Check(cuCtxPopCurrent(out _), nameof(cuCtxPopCurrent));
            return new DeviceMemory((long)free, (long)total);
        }
        finally
        {
            Check(cuDevicePrimaryCtxRelease(number), nameof(cuDevicePrimaryCtxRelease));
        }
    }

    /// <summary>Whether a step failed for want of memory, which another step may have. libtorch tells it by its message alone.</summary>
    public static bool IsOutOfMemory(Exception error) => error is OutOfMemoryException
        || (error is ExternalException && (error.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase) || error.Message.Contains("can't allocate memory", StringComparison.Ordinal)));

    /// <summary>float32 on the CPU, where it is the same everywhere; half precision on CUDA, bfloat16 where the device has it.</summary>
    public static ScalarType ResolveDType(string name, Device device) => name switch
    {
        "float32" => ScalarType.Float32,
        "bfloat16" => ScalarType.BFloat16,
        "float16" when device.type == DeviceType.CUDA => ScalarType.Float16,
        "auto" when device.type != DeviceType.CUDA => ScalarType.Float32,
        "auto" => ComputeCapability(device.index) >= FirstWithBFloat16 ? ScalarType.BFloat16 : ScalarType.Float16,
        _ => throw new ArgumentException($"DType must be auto, float32, bfloat16 or, on cuda, float16; was '{name}' on {device}"),
    };

    /// <summary>Whether matrices are rounded to 8 bits at load.</summary>
    public static bool RoundsToInt8(string name, Device device, ScalarType dtype) => name switch
    {
        "auto" => false,
        "int8" when device.type == DeviceType.CPU && PackedLinear.Serves(dtype) => true,
        "int8" => throw new NotSupportedException($"WeightDType int8 takes the own kernel for matrix products, which is there for float32 and bfloat16 from AVX2, on Linux; not for {dtype} on this {device}"),
        _ => throw new ArgumentException($"WeightDType must be auto or int8, was '{name}'"),
    };

    /// <summary>The same for devices that hold one model together: what all of them can compute in.</summary>
    public static ScalarType ResolveDType(string name, IReadOnlyList<Device> devices)
    {
        var dtypes = devices.Select(device => ResolveDType(name, device)).Distinct().ToList();
        return dtypes.Count == 1 ? dtypes[0] : ScalarType.Float16; // older and newer devices of CUDA
    }

    /// <summary>
    /// Rows of a step are filled up to a multiple of this, so that a row's result is bit for bit the same whoever shares its step. Float32 matrix products on
    /// the CPU by MKL take a kernel of another order of summation for groups of fewer than 4 rows (seen with libtorch 2.10 on 1 and 2 threads; bfloat16 does
    /// not); those of <see cref="PackedLinear"/> have one order for any number of rows.
    /// </summary>
    public static int RowGroup(Device device, ScalarType dtype) => device.type == DeviceType.CPU && dtype == ScalarType.Float32 && !PackedLinear.Serves(dtype) ? 4 : 1;

    /// <summary>How many tokens of a block have each head side by side in the cache: all of them where the own attention reads it.</summary>
    public static int CacheRun(Device device, int blockSize) => device.type == DeviceType.CPU ? blockSize : 1;

    // By default the threads of libgomp spin while they wait. Where other work wants the processor, each parallel region then waits for a time slice:
    // on 2 busy cores a small operator took 12 ms instead of 0.04 ms. libgomp reads its variables when it is loaded, from the process's own environment.
    private static void LetIdleThreadsSleep()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = setenv("OMP_WAIT_POLICY", "PASSIVE", overwrite: 0);
        }
    }

    private static bool IsNumbered(string name, string kind) => name.StartsWith(kind, StringComparison.Ordinal) && uint.TryParse(name.AsSpan(kind.Length), out _);

    private static int ComputeCapability(int index)
    {
        Check(cuInit(0), nameof(cuInit));
        Check(cuDeviceGet(out var device, index), nameof(cuDeviceGet));
        Check(cuDeviceGetAttribute(out var major, ComputeCapabilityMajor, device), nameof(cuDeviceGetAttribute));
        return major;
    }

    private static void Check(int result, string call)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"{call} of the CUDA driver failed with error {result}");
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int setenv(string name, string value, int overwrite);

    // CUDA driver API; the driver is there wherever a CUDA device is.
    [LibraryImport("libcuda.so.1")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuInit(uint flags);

    [LibraryImport("libcuda.so.1")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport("libcuda.so.1")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport("libcuda.so.1")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuDevicePrimaryCtxRelease(int device);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuCtxPushCurrent_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuCtxPushCurrent(nint context);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuCtxPopCurrent_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuCtxPopCurrent(out nint context);

    [LibraryImport("libcuda.so.1", EntryPoint = "cuMemGetInfo_v2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int cuMemGetInfo(out nuint free, out nuint total);
}
