#!/usr/bin/env python3
"""Makes the goldens of prompts with weights and of any length.

    python prompts.py [--out DIR]

Writes text/prompts.json (prompts, their pieces and groups of tokens, with the vocabulary of text/) and
pipeline/<checkpoint>/prompts.safetensors: for each encoding and pair of prompts in its metadata
`<encoding>.<i>.conditioning` [2,tokens,c] and `.pooled` [2,c], negative prompt first. Needs torch,
diffusers 0.42 and transformers 5; fp32, one thread. What is computed: prompt_encodings.py.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import prompt_encodings
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file
from transformers import CLIPTokenizer

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens"
CHECKPOINTS = ("bf16_shards", "fp16_published", "fp32_convolutions")

# Of the web UI's own documentation, and what people get wrong.
SYNTAX = [
    "", " ", "normal text", "an (important) word", "(unbalanced", "((", "((a", "a ((b) c", "\\(literal\\]",
    "(unnecessary)(parens)", "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "[a]", "[[a]]", "([a])", "[(a])",
    "(a:1.3", "(a:1.3]", "a:1.3)", "(a: 1.3 )", "(a:+0.5)", "(a:-0.5)", "(a:.5)", "(a:1.)", "(a:1.0)", "(a:0)",
    "a) b] c", ":", "::", "(:1.3)", "(a::1.3)", "(a:b:1.3)", "a:1.3", "smile :)", "(smile :))", "\\", "\\\\", "\\\\(a)",
    "\\a", "a\\", "((a:1.1):1.1)", "(a)(b:1.1)(c)", "(a\\)b:1.2)", "[a:b:0.5]", "[a|b]", "cats AND dogs",
    "a BREAK b", "BREAK", "BREAK a", "a BREAK", "a BREAK BREAK b", "BREAKFAST xBREAK BREAK_", "(a BREAK b:1.2)",
    "(a)BREAK(b)", "a\nBREAK\tb", "(one (two (three [four]):1.2) five:0.8) six",
    "(naïve café:1.2) 東京 [🙂]", "éBREAKé 東BREAK京 \u3000BREAK\u3000x", "masterpiece, (best quality:1.2), ((man)), in [snow]",
]  # fmt: skip

# Each is one token of the vocabulary of text/.
WORDS = "a photo of the man in snow with red light film house best great city night river and old woman".split()


def phrase(count: int, begin: int = 0) -> str:
    return " ".join(WORDS[(begin + i) % len(WORDS)] for i in range(count))


# Around the ends of groups.
LENGTHS = [
    *(phrase(n) for n in (1, 74, 75, 76, 149, 150, 151, 225)),
    f"{phrase(54)}, {phrase(30)}", f"{phrase(55)}, {phrase(30)}", f"{phrase(56)}, {phrase(30)}", f"{phrase(53)}, {phrase(40)}",
    f"{phrase(74)}, {phrase(30)}", f"{phrase(75)}, {phrase(30)}", f"{phrase(70)}, {phrase(3)}, {phrase(80)}",
    f"({phrase(60)}, {phrase(9)} (in snow:1.3) {phrase(40)}:1.1)", f"{phrase(30)} BREAK {phrase(80)}, x", "a, " * 100,
    f"{phrase(75)} BREAK {phrase(75)}", f"{phrase(75)} BREAK", "," * 80,
]  # fmt: skip

PAIRS = [
    ("", "a man in the (snow:1.3), [film] photo"),
    ("(blurry:1.4), text", "the face of a man"),
    ("low quality", "the (neon lights:1.21) of the city at night, " * 3 + "((portrait)) of a woman in the rain"),
    ("worst quality, deformed, text, watermark, [drawing], " * 3, "a man"),
    ("", "a portrait, watercolor painting of a person BREAK (the mountain:0.7), the river BREAK soft brush strokes"),
    ("(ugly:-0.5)", "(a:1.00001) (b:0.999) (c:1.5)"),
]  # fmt: skip


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """text/ with the settings of text/first."""
    with tempfile.TemporaryDirectory() as joined:
        for path in (*folder.glob("*.*"), *(folder / "first").glob("*.*")):
            shutil.copy(path, joined)
        return CLIPTokenizer.from_pretrained(joined)


def columns(groups) -> dict:
    return {"ids": [[t for t, _ in g] for g in groups], "weights": [[w for _, w in g] for g in groups]}


def write_text(out: Path) -> None:
    tokenizer = clip_tokenizer(GOLDENS / "text")
    assert all(len(tokenizer(word, add_special_tokens=False).input_ids) == 1 for word in WORDS)
    rows = []
    for prompt in SYNTAX + LENGTHS + [text for pair in PAIRS for text in pair]:
        row = {"prompt": prompt, "parts": prompt_encodings.parse(prompt)}
        row["a1111"] = columns(prompt_encodings.a1111_groups(tokenizer, prompt))
        rows.append(row)
    pairs = []
    for negative, prompt in PAIRS + [(text, "a man") for text in LENGTHS] + [("", text) for text in LENGTHS]:
        groups = prompt_encodings.weighted_groups(tokenizer, negative, prompt)
        row = {"negative": negative, "prompt": prompt}
        pairs.append(row | {"groups": [columns(each) for each in groups]})
    made = {"prompts": rows, "pairs": pairs}
    (out / "prompts.json").write_text(json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_conditioning(name: str, folder: Path, out: Path) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(
        folder / "checkpoint" / "base",
        torch_dtype=torch.float32,
        variant="fp16" if name == "fp16_published" else None,
        add_watermarker=False,
    )
    tensors = {}
    pairs = PAIRS if name == "fp16_published" else PAIRS[2:5:2]
    for encoding, encode in prompt_encodings.ENCODINGS.items():
        for i, pair in enumerate(pairs):
            conditioning, pooled = encode(pipe, *pair)
            tensors[f"{encoding}.{i}.conditioning"] = conditioning.contiguous()
            tensors[f"{encoding}.{i}.pooled"] = pooled.contiguous()
            print(f"{name}: {encoding} {i}: {tuple(conditioning.shape)}")
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "prompts.safetensors", metadata={"pairs": json.dumps(pairs)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=GOLDENS)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on it
    write_text(options.out / "text")
    for name in CHECKPOINTS:
        write_conditioning(name, GOLDENS / "pipeline" / name, options.out / "pipeline" / name)


if __name__ == "__main__":
    main()
