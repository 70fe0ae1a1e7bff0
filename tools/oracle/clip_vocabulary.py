"""Small byte-level BPE vocabularies in the layout of CLIP's tokenizer folders.

The published folders contain four files (vocab.json, merges.txt, special_tokens_map.json,
tokenizer_config.json). A vocabulary is: the 256 byte characters, the same with "</w>", one token per
merge, and the two special tokens. The merges are trained on the few sentences below.
"""

import collections
import json
from pathlib import Path

START = "<|startoftext|>"
END = "<|endoftext|>"

CORPUS = """
analog film photo of a man in the snow, faded film, desaturated, 35mm photo, grainy, vignette
a portrait of a woman in the rain, neon lights, vibrant colours, masterpiece, best quality
watercolor painting of a person, soft brush strokes, paper texture, the face of the man
low quality, worst quality, blurry, deformed, text, watermark, the photo of the woman, drawing
line art of a face, black and white, the jungle, the mountain, the river, the city at night
"""


def byte_characters() -> list[str]:
    """One printable character for each byte, in CLIP's order.

    The 188 bytes that are printable in Latin-1 come first and map to themselves ("!" is 0); the
    others map to the characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(0x100 + i) for i in range(len(others))]


def train_merges(count: int, corpus: str = CORPUS) -> list[tuple[str, str]]:
    """The `count` merges of the most frequent pairs in turn, ties in alphabetical order."""
    words = collections.Counter(corpus.lower().replace(",", " ").split())
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, split in pieces.items():
            for pair in zip(split, split[1:]):
                pairs[pair] += words[word]
        if not pairs:
            raise SystemExit(f"expected {count} merges, but the corpus gives only {len(merges)}")
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, split in pieces.items():
            joined, i = [], 0
            while i < len(split):
                if tuple(split[i : i + 2]) == best:
                    joined.append(split[i] + split[i + 1])
                    i += 2
                else:
                    joined.append(split[i])
                    i += 1
            pieces[word] = joined
    return merges


def vocabulary(merges, end_is_last: bool = True, size: int | None = None) -> dict[str, int]:
    """Token to id. The special tokens are the last two ids; tokens that no text contains pad the
    vocabulary to `size`.

    `end_is_last` False swaps the special tokens, so that the end token is not the highest id: a text
    encoder that looks for its eos_token_id still works, one that takes the highest id does not.
    """
    characters = byte_characters()
    tokens = characters + [c + "</w>" for c in characters] + [a + b for a, b in merges]
    tokens += [f"<|unused{i}|>" for i in range(0 if size is None else size - 2 - len(tokens))]
    tokens += [START, END] if end_is_last else [END, START]
    if len(set(tokens)) != len(tokens):
        raise SystemExit("a merge gives a token that exists already")
    return {token: i for i, token in enumerate(tokens)}


def write_tokenizer(folder: Path, merges, ids: dict[str, int], pad: str) -> None:
    """Writes the four files; `pad` is the end token for tokenizer 1 and "!" for tokenizer 2."""

    def mark(content):
        return {"content": content, "lstrip": False, "normalized": True, "rstrip": False,
                "single_word": False}  # fmt: skip

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False, separators=(",", ":")))
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8"
    )
    special = {"bos_token": mark(START), "eos_token": mark(END), "pad_token": pad,
               "unk_token": mark(END)}  # fmt: skip
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    added = {str(ids[token]): mark(token) | {"special": True} for token in (START, END)}
    if pad != END:
        added[str(ids[pad])] = mark(pad) | {"normalized": False, "special": True}
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": dict(sorted(added.items(), key=lambda item: int(item[0]))),
        "bos_token": START,
        "clean_up_tokenization_spaces": True,
        "do_lower_case": True,
        "eos_token": END,
        "errors": "replace",
        "model_max_length": 77,
        "pad_token": pad,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
