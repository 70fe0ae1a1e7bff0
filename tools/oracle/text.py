"""Makes the goldens of src/text with transformers' CLIPTokenizer.

    python tools/oracle/text.py --wheel open_clip_torch-3.3.0-py3-none-any.whl

Writes tests/goldens/text: a small vocabulary (the first merges of CLIP's own) in the layout of SDXL's two
tokenizers, and golden ids of a few hundred texts for each; clip_ids.json has those of the whole vocabulary.
Writes src/text/clip/merges.bin, the whole vocabulary's merges as pairs of ids, which the program contains.

    python tools/oracle/text.py --wheel ... --full build/release/src/text/tokenize_tool

Rebuilds CLIP's whole vocabulary in a temporary folder and compares the program with transformers on every code
point in three contexts and on random mixed texts; prints the number of differences.

The wheel is PyPI's open-clip-torch (MIT licence; `pip download --no-deps open-clip-torch`), which contains
bpe_simple_vocab_16e6.txt.gz. Needs transformers 5. Deterministic.
"""

import argparse
import gzip
import json
import random
import struct
import subprocess
import tempfile
import unicodedata
import zipfile
from pathlib import Path

from transformers import CLIPTokenizer

ROOT = Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "tests" / "goldens" / "text"
BUILT_IN = ROOT / "src" / "text" / "clip" / "merges.bin"
START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_MERGES = 49152 - 256 - 2
SMALL_MERGES = 4000


def byte_symbols():
    """The characters that represent bytes, in the order of CLIP's vocabulary."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printing]
    return [chr(b) for b in printing] + [chr(256 + i) for i in range(len(rest))]


def read_merges(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(packed).decode().split("\n")[1 : CLIP_MERGES + 1]


def write_vocabulary(folder, merges):
    folder.mkdir(parents=True, exist_ok=True)
    tokens = byte_symbols()
    tokens += [token + "</w>" for token in tokens]
    tokens += ["".join(merge.split()) for merge in merges] + [START, END]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")


def write_settings(folder, pad, decoder):
    """The files beside the vocabulary as in SDXL's repositories: older (without added_tokens_decoder: the
    special tokens are in special_tokens_map.json) or newer."""

    def token(content, **flags):
        return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **flags}

    named = {"bos_token": START, "eos_token": END, "unk_token": END}
    config = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": 77,
              "pad_token": pad, "tokenizer_class": "CLIPTokenizer"}
    if decoder:
        ids = json.loads((folder / "vocab.json").read_text())
        special = [token(START, special=True), token(END, special=True)]
        if pad != END:
            special.append(token(pad, special=True, normalized=False))
        config["added_tokens_decoder"] = {str(ids[t["content"]]): t for t in special}
        config |= named
    else:
        config |= {name: {"__type": "AddedToken", **token(content)} for name, content in named.items()}
        special_map = {name: token(content) for name, content in named.items()} | {"pad_token": pad}
        (folder / "special_tokens_map.json").write_text(json.dumps(special_map, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


FIXED_TEXTS = [
    "", " ", "\t\n", "a", "A photo of a cat", "analog film photo of a man in the snow",
    "hello world!", "hello!!! wow?!...", "!", "! !", "don't we'll I'M they've she'd it's 's 't 're", "'S'T x''s '' 'sa",
    "l'été à Noël", "naïve café", "nai\u0308ve cafe\u0301", "A\u030a \u212b \u00c5", "\u1e9b\u0323 \u1e69 s\u0323\u0307 s\u0307\u0323",
    "İstanbul ISPARTA ıspanak", "ΑΣ ΣΑΣ ὈΔΥΣΣΕΎΣ ς", "STRASSE Straße ẞ", "ǅ ǆ Ǆ ﬁ ﬀ Å K Ω",
    "日本語のテキスト 写真", "中文照片，高清。", "한국어 텍스트 각 각", "العربية نص طويل ١٢٣", "עברית שָׁלוֹם", "हिन्दी क्षि १२३",
    "ภาษาไทย ๑๒๓", "русский ТЕКСТ Ёлка й й", "emoji 😀😃 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 ❤️ ☕", "1 12 123 1.5 1,000 ½ ² Ⅷ ① ٣", "x2y3 4k 8K hdr10",
    "a\u00a0b\u2003c\u3000d\u2028e\u0085f\u1680g\u202fh", "a\u200bb\u200dc\ufeffd\u00ade\u2060f", "a\x00b\x01c\x1cd\x1fe\x7ff\x9fg",
    "\ufffd \uffff \U0010ffff \ue000", "tab\tnew\nline\r\nreturn", "   lead and   trail   ",
    f"a {END} b", f"a{END}b{END}{END}", f"A{START}B", "<|EndOfText|> <|StartOfText|>", "<|endoftext|", "!<|endoftext|>!!", "<|startoftext|>",
    "x<|ENDOFTEXT|>!! y", "'<|STARTOFTEXT|>'s", "(masterpiece:1.2), [best] quality", "\\(escaped\\)", "a_b-c/d\\e@f#g$h%i^j&k*l",
    "a" * 300, "ab" * 200, "supercalifragilisticexpialidocious" * 5, "word " * 100, "é" * 150, "1" * 100, "!" * 200, "😀" * 60,
    "a" + "\u0301" * 50 + "\u0323" * 50, "\u0301\u0323 start", "q\u0307\u0323 q\u0323\u0307", "\u1100\u1161\u11a8 \uac00\u11a8 \u1100\u1161",
    "\U00011935\U00011930 \U00011938", "a\u08d3\u0301 a\u0301\u08d3", "\u0958 \u2126 \u1fee \U0001d15e", "ꟓ Ɤ Ꟛ \ua7cb \ua7dc \u1c89 \U00010d50",
    "\U0001e4f0\U0001e030 \U00016d40 \U00011bf0",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " ,.!?'\"()[]:;-_/\\|<>", "      ", "\u0301\u0308\u0323\u0327\u030a\u0345\u0334",
    "éèüöñçåßøİıſ", "αβγδεζΣσςΩάΐ", "абвгдЖЗИЙё", "あいうえおアイウ漢字写真が", "각한글가\u1100\u1161\u11a8", "אבגדשָׁ", "ابتثجحُِّ٣", "कखगघक्षिर्१", "ไทยกขคำ๑",
    "😀👍🏽❤️\u200d👩🇩🇪☕", "\t\n\r\u00a0\u2003\u3000\u200b\u0085\u001c\x00",
]


def random_text(rng, full):
    """Pieces of words, scripts, combining marks and unusual characters."""
    pieces = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.35:
            pieces.append(rng.choice(["photo", " of a ", "cat", "'s", "'LL", "n't ", "4K ", END, START, "!!", "<|EndOfText|>", "film grain, "]))
        elif kind < 0.85 or not full:
            alphabet = rng.choice(ALPHABETS)
            pieces.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 8))))
        elif kind < 0.9:
            base = rng.choice([0x300, 0x590, 0x610, 0x8D0, 0x1AB0, 0x1DC0, 0x20D0, 0x3099, 0xFE20, 0x1D165, 0x1E8D0])
            pieces.append("".join(chr(base + rng.randint(0, 47)) for _ in range(rng.randint(1, 6))))
        else:
            pieces.append("".join(random_character(rng) for _ in range(rng.randint(1, 4))))
    return "".join(pieces)


def random_character(rng):
    while True:
        c = rng.choice([rng.randint(0, 0x24FF), rng.randint(0, 0xFFFF), rng.randint(0, 0x1FFFF), rng.randint(0, 0x10FFFF)])
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def ids_of(tokenizer, text):
    return tokenizer(text, add_special_tokens=False).input_ids


def write_goldens(merges):
    rng = random.Random(20240)
    texts = FIXED_TEXTS + [random_text(rng, full=True) for _ in range(250)]
    tokenizers = {}
    for name, pad, decoder in (("first", END, False), ("second", "!", True), ("third", "!", False)):
        folder = GOLDENS / name
        write_vocabulary(folder, merges[:SMALL_MERGES])
        write_settings(folder, pad, decoder)
        tokenizers[name] = CLIPTokenizer.from_pretrained(folder)
    # One vocabulary for all three; the tests link to it.
    for name in ("vocab.json", "merges.txt"):
        (GOLDENS / "first" / name).replace(GOLDENS / name)
        for folder in ("second", "third"):
            (GOLDENS / folder / name).unlink()
    rows = []
    for text in texts:
        row = {"text": text}
        for name, tokenizer in tokenizers.items():
            encoded = tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
            ids = ids_of(tokenizer, text)
            if name == "first":
                row["cut"] = tokenizer.decode(ids[75:]) if len(ids) > 75 else ""
                row["encoded"] = encoded
                row["first"] = ids
            elif ids != row["first"]:
                row[name] = ids
            pads = [tokenizer.pad_token_id] * max(0, 75 - len(ids))
            assert encoded == [tokenizer.bos_token_id, *ids[:75], tokenizer.eos_token_id, *pads]
        if len(row["encoded"]) == 77 and row["encoded"][1:-1] != row["first"][:75]:
            del row["encoded"]  # plain padding adds nothing
        rows.append(row)
    with open(GOLDENS / "ids.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")
    print(f"{len(rows)} texts, {sum(p.stat().st_size for p in GOLDENS.rglob('*') if p.is_file())} bytes")


def write_built_in(merges):
    tokens = byte_symbols()
    tokens += [token + "</w>" for token in tokens]
    tokens += ["".join(merge.split()) for merge in merges]
    ids = {token: i for i, token in enumerate(tokens)}
    pairs = [struct.pack("<HH", *(ids[token] for token in merge.split())) for merge in merges]
    BUILT_IN.write_bytes(b"".join(pairs))


def write_clip_goldens(merges):
    """Ids of the whole vocabulary; "second" where the second tokenizer's differ."""
    rng = random.Random(20241)
    texts = FIXED_TEXTS + [random_text(rng, full=True) for _ in range(50)]
    with tempfile.TemporaryDirectory() as temporary:
        both = []
        for pad, decoder in ((END, False), ("!", True)):
            folder = Path(temporary) / ("pad" if decoder else "end")
            write_vocabulary(folder, merges)
            write_settings(folder, pad, decoder)
            both.append(CLIPTokenizer.from_pretrained(folder))
        rows = []
        for text in texts:
            first, second = (ids_of(tokenizer, text) for tokenizer in both)
            rows.append({"text": text, "first": first} | ({"second": second} if second != first else {}))
    with open(GOLDENS / "clip_ids.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


def compare(tool, folder, texts, name):
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    wanted = []
    for begin in range(0, len(texts), 20000):
        wanted += tokenizer(texts[begin : begin + 20000], add_special_tokens=False).input_ids
    sent = b"".join(b"%d\n%s" % (len(t.encode()), t.encode()) for t in texts)
    lines = subprocess.run([tool, str(folder)], input=sent, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    assert len(lines) == len(texts)
    wrong = [(t, want, line) for t, want, line in zip(texts, wanted, lines) if want != [int(i) for i in line.split()]]
    print(f"{name}: {len(texts)} texts, {len(wrong)} differ")
    for text, want, line in wrong[:10]:
        print("  ", ascii(text), "want", want, "got", line)
    return len(wrong)


def compare_full(tool, merges):
    rng = random.Random(7)
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    assigned = [c for c in characters if unicodedata.category(c) not in ("Cn", "Co")]
    groups = {
        "every code point alone": characters,
        "every code point between letters": [f"a{c}B" for c in characters],
        "every code point among marks, digits and signs": [f"1\u0345{c}\u0334\u0301!{c}{c}" for c in characters],
        "every assigned code point decomposed": [unicodedata.normalize("NFD", c) + "\u0307\u0323x" for c in assigned],
        "random mixed texts": [random_text(rng, full=True) for _ in range(20000)],
        "random characters": ["".join(random_character(rng) for _ in range(rng.randint(1, 40))) for _ in range(20000)],
        "the goldens' fixed texts": FIXED_TEXTS,
    }
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        for pad, decoder in ((END, False), ("!", True)):
            folder = Path(temporary) / ("pad" if decoder else "end")
            write_vocabulary(folder, merges)
            write_settings(folder, pad, decoder)
            for name, texts in groups.items():
                wrong += compare(tool, folder, texts, f"pad {pad}: {name}")
    print(f"{wrong} differences")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", required=True, help="PyPI's open-clip-torch wheel")
    parser.add_argument("--full", metavar="TOOL", help="compare this tokenize_tool on the whole vocabulary")
    arguments = parser.parse_args()
    merges = read_merges(arguments.wheel)
    if arguments.full:
        raise SystemExit(1 if compare_full(arguments.full, merges) else 0)
    write_built_in(merges)
    write_clip_goldens(merges)
    write_goldens(merges)


if __name__ == "__main__":
    main()
