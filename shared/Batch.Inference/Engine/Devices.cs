using System.Runtime.InteropServices;
using Batch.Inference.Kernels;
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
        if (name == "cpu")
        {
            return CPU;
        }
        if (name != "auto" && name != "cuda" && !(name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out _)))
        {
            throw new ArgumentException($"Device must be auto, cpu, cuda or cuda:N, was '{name}'");
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

    /// <summary>
    /// Rows of a step are filled up to a multiple of this, so that a row's result is bit for bit the same whoever shares its step. Float32 matrix products on
    /// the CPU by MKL take a kernel of another order of summation for groups of fewer than 4 rows (seen with libtorch 2.10 on 1 and 2 threads; bfloat16 does
    /// not); those of <see cref="Layers.PackedLinear"/> have one order for any number of rows.
    /// </summary>
    public static int RowGroup(Device device, ScalarType dtype) => device.type == DeviceType.CPU && dtype == ScalarType.Float32 && !Brgemm.Serves(dtype) ? 4 : 1;

    // By default the threads of libgomp spin while they wait. Where other work wants the processor, each parallel region then waits for a time slice:
    // on 2 busy cores a small operator took 12 ms instead of 0.04 ms. libgomp reads its variables when it is loaded, from the process's own environment.
    private static void LetIdleThreadsSleep()
    {
        if (OperatingSystem.IsLinux())
        {
            _ = setenv("OMP_WAIT_POLICY", "PASSIVE", overwrite: 0);
        }
    }

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
}
