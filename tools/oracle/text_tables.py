"""Writes src/text/unicode_tables.cpp: the characters that the `tokenizers` package treats as letters,
numbers and white space, its lower-case mapping, and the characters unknown to its NFC.

    python tools/oracle/text_tables.py > src/text/unicode_tables.cpp

The package uses three libraries with different Unicode versions (0.23: a regular expression engine with
Unicode 16, Rust's own lower case with Unicode 17, a normaliser from about Unicode 10). So the tables are
extracted from it, one code point at a time, instead of from one version of Unicode. Needs `tokenizers`, and
`unicodedata2` for the newest character database, which reveals the normaliser's gaps.
"""

import argparse

import unicodedata2
from tokenizers import Regex, normalizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(code_points):
    out = []
    for c in sorted(code_points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def matching(pattern):
    """Code points that a single-character regular expression matches."""
    remove = normalizers.Replace(Regex(pattern), "")
    return [c for c in CODE_POINTS if remove.normalize_str(chr(c)) == ""]


def lower_ranges():
    """[first, last, stride, delta]: every stride-th of first..last becomes itself + delta."""
    lower = normalizers.Lowercase()
    out = []
    for c in CODE_POINTS:
        text = lower.normalize_str(chr(c))
        if text == chr(c):
            continue
        if len(text) != 1:
            assert (c, text) == (0x130, "i\u0307"), hex(c)  # the only one handled in unicode.cpp
            continue
        delta = ord(text) - c
        for stride in (1, 2):
            if out and out[-1][3] == delta and c - out[-1][1] == stride and out[-1][2] in (0, stride):
                out[-1][1], out[-1][2] = c, stride
                break
        else:
            out.append([c, c, 0, delta])
    return [[first, last, stride or 1, delta] for first, last, stride, delta in out]


def unknown_to_nfc():
    """Characters that compose, decompose or reorder in the newest Unicode, but not in the package."""
    nfd, nfc = normalizers.NFD(), normalizers.NFC()
    unknown = set()
    for c in CODE_POINTS:
        s = chr(c)
        decomposed = unicodedata2.normalize("NFD", s)
        if nfd.normalize_str(s) != decomposed:
            assert nfd.normalize_str(s) == s and nfc.normalize_str(decomposed) == decomposed
            unknown.update([s, decomposed[0]])
            unknown.update(x for x in decomposed if x != "\u0307")
            unknown.update(unicodedata2.normalize("NFC", decomposed[:-1]))
        # A mark moves before one of a higher class, or after one of a lower class.
        for before, after in (("a\u0345", ""), ("a", "\u0334")):
            ours = nfd.normalize_str(before + s + after)
            if ours != unicodedata2.normalize("NFD", before + s + after):
                assert ours == before + nfd.normalize_str(s) + after
                unknown.add(s)
    return [ord(s) for s in unknown]


def print_ranges(name, comment, rows):
    print(f"\n// {comment}\nconstexpr Range {name}[] = {{")
    line = "   "
    for first, last in rows:
        item = f" {{0x{first:x}, 0x{last:x}}},"
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("// Made by tools/oracle/text_tables.py; do not edit.\n// clang-format off")
    print('#include "text/unicode_tables.h"\n\nnamespace semblance::unicode_tables {\nnamespace {')
    print_ranges("kLetterRanges", r"\p{L}", ranges(matching(r"\p{L}")))
    print_ranges("kNumberRanges", r"\p{N}", ranges(matching(r"\p{N}")))
    print_ranges("kSpaceRanges", r"\s", ranges(matching(r"\s")))
    print_ranges("kUnknownToNfcRanges", "Left alone by NFC", ranges(unknown_to_nfc()))
    print("\nconstexpr LowerRange kLowerRanges[] = {")
    for first, last, stride, delta in lower_ranges():
        print(f"    {{0x{first:x}, 0x{last:x}, {stride}, {delta}}},")
    print("};\n\n}  // namespace\n")
    for name in ("Letter", "Number", "Space", "UnknownToNfc"):
        print(f"const std::span<const Range> k{name}{{k{name}Ranges}};")
    print("const std::span<const LowerRange> kLower{kLowerRanges};")
    print("\n}  // namespace semblance::unicode_tables")


if __name__ == "__main__":
    main()
