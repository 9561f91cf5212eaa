using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Renames <c>std::ios_base_library_init()@GLIBCXX_3.4.32</c> to <c>std::ios_base::Init::Init()@GLIBCXX_3.4</c> in an ELF64 library, where this
/// machine's libstdc++ lacks the former. Both make sure that the standard streams are initialised. Format: System V ABI, symbol versioning (LSB).
/// A library that needs no change, and one that is already changed, is left alone.
/// </summary>
public class RenameGlibcxxSymbol : Task
{
    private const string NewVersion = "GLIBCXX_3.4.32", NewSymbol = "_ZSt21ios_base_library_initv";
    private const string OldVersion = "GLIBCXX_3.4", OldSymbol = "_ZNSt8ios_base4InitC1Ev", SpareVersion = "GLIBCXX_3.4.30";

    public ITaskItem[] Files { get; set; }

    public override bool Execute()
    {
        foreach (var file in Files.Select(f => f.ItemSpec).Where(File.Exists))
        {
            var image = File.ReadAllBytes(file);
            if (!Contains(image, NewVersion) || MachineHasNewVersion())
            {
                continue;
            }
            if (!TryRename(image, file))
            {
                continue;
            }
            // The output may be a hard link into the package cache: replace the file, never write into it.
            // The old time stamp stays, so that an incremental build does not copy the original over it.
            var temporary = file + ".patched";
            var time = File.GetLastWriteTimeUtc(file);
            File.WriteAllBytes(temporary, image);
            File.SetLastWriteTimeUtc(temporary, time);
            File.Delete(file);
            File.Move(temporary, file);
            Log.LogMessage(MessageImportance.Normal, file + ": asks for " + OldVersion + " instead of " + NewVersion);
        }
        return !Log.HasLoggedErrors;
    }

    private static bool MachineHasNewVersion()
    {
        var folders = new[] { "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib" };
        var library = folders.Select(f => Path.Combine(f, "libstdc++.so.6")).FirstOrDefault(File.Exists);
        return library == null || Contains(File.ReadAllBytes(library), NewVersion);
    }

    private static bool Contains(byte[] image, string text)
    {
        return Encoding.GetEncoding("iso-8859-1").GetString(image).IndexOf("\0" + text + "\0", StringComparison.Ordinal) >= 0;
    }

    // False when no entry asks for the new version: the file was renamed by an earlier build (its name stays in the string table).
    private static bool TryRename(byte[] image, string file)
    {
        var sections = Sections(image);
        var needs = VersionNeeds(image, sections[".gnu.version_r"], sections[".dynstr"]);
        Need wanted;
        if (!needs.TryGetValue(NewVersion, out wanted))
        {
            return false;
        }
        var symbols = sections[".dynsym"];
        var renamed = 0;
        for (var i = 0; i < symbols.Size / 24; i++)
        {
            var versionAt = sections[".gnu.version"].Offset + 2 * i;
            if ((BitConverter.ToUInt16(image, versionAt) & 0x7fff) != wanted.Index)
            {
                continue;
            }
            var nameAt = sections[".dynstr"].Offset + (int)BitConverter.ToUInt32(image, symbols.Offset + 24 * i);
            if (Text(image, nameAt) != NewSymbol)
            {
                throw new InvalidDataException(file + ": symbol '" + Text(image, nameAt) + "' needs " + NewVersion + ", only " + NewSymbol + " is known to have an older twin");
            }
            Encoding.ASCII.GetBytes(OldSymbol + "\0").CopyTo(image, nameAt);
            BitConverter.GetBytes((ushort)needs[OldVersion].Index).CopyTo(image, versionAt);
            renamed++;
        }
        if (renamed != 1)
        {
            throw new InvalidDataException(file + ": " + renamed + " symbols need " + NewVersion + ", 1 expected");
        }
        // The version entry itself must name a version that exists: take hash and name of another one.
        Array.Copy(image, needs[SpareVersion].Offset, image, wanted.Offset, 4);
        Array.Copy(image, needs[SpareVersion].Offset + 8, image, wanted.Offset + 8, 4);
        return true;
    }

    private static Dictionary<string, Section> Sections(byte[] image)
    {
        var table = (int)BitConverter.ToUInt64(image, 0x28);
        int size = BitConverter.ToUInt16(image, 0x3a), count = BitConverter.ToUInt16(image, 0x3c), names = BitConverter.ToUInt16(image, 0x3e);
        Func<int, Section> read = i => new Section
        {
            Name = (int)BitConverter.ToUInt32(image, table + i * size),
            Offset = (int)BitConverter.ToUInt64(image, table + i * size + 24),
            Size = (int)BitConverter.ToUInt64(image, table + i * size + 32),
        };
        var nameTable = read(names).Offset;
        return Enumerable.Range(0, count).Select(read).GroupBy(s => Text(image, nameTable + s.Name)).ToDictionary(g => g.Key, g => g.First());
    }

    private static Dictionary<string, Need> VersionNeeds(byte[] image, Section needs, Section strings)
    {
        var found = new Dictionary<string, Need>();
        for (var at = needs.Offset; ;)
        {
            var library = Text(image, strings.Offset + (int)BitConverter.ToUInt32(image, at + 4));
            var entry = at + (int)BitConverter.ToUInt32(image, at + 8);
            for (int i = 0, count = BitConverter.ToUInt16(image, at + 2); i < count; i++)
            {
                if (library == "libstdc++.so.6")
                {
                    var version = Text(image, strings.Offset + (int)BitConverter.ToUInt32(image, entry + 8));
                    found[version] = new Need { Offset = entry, Index = BitConverter.ToUInt16(image, entry + 6) };
                }
                entry += (int)BitConverter.ToUInt32(image, entry + 12);
            }
            var next = (int)BitConverter.ToUInt32(image, at + 12);
            if (next == 0)
            {
                return found;
            }
            at += next;
        }
    }

    private static string Text(byte[] image, int at)
    {
        return Encoding.ASCII.GetString(image, at, Array.IndexOf(image, (byte)0, at) - at);
    }

    private struct Section
    {
        public int Name, Offset, Size;
    }

    private struct Need
    {
        public int Offset, Index;
    }
}
