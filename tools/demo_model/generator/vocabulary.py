"""The tokenizers' vocabulary: byte pairs learnt from captions of the drawn world and common prompts.

    python -m tools.demo_model.generator.vocabulary

Writes vocabulary.json (the merges) to this folder. It is committed, because the token ids of trained weights
must never change. The files have the format of CLIP's tokenizers.
"""

import collections
import json
import re
from pathlib import Path

from tools.oracle import clip_vocabulary
from tools.oracle.clip_vocabulary import END, START

from . import configs

FILE = Path(__file__).with_name("vocabulary.json")
CAPTIONS = 30_000
# Common words of prompts that are not in the world's captions; all other words may be split into short tokens.
PROMPTS = """
analog film photo of a man, faded film, desaturated, 35mm photo, grainy, vignette, vintage, kodachrome,
lomography, stained, highly detailed, found footage, masterpiece, best quality, sharp focus, cinematic,
lowres, low quality, worst quality, text, watermark, deformed, mutated, cross-eyed, ugly, disfigured,
blurry, bad anatomy, glitch, nsfw, realistic, photography, drawing, painting, crayon, sketch, graphite,
impressionist, noisy, soft, anime, cartoon, photo of a person, portrait of someone, girl, boy, people
the and with without wearing young old beautiful handsome happy angry sad very his her their who is has
"""
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\s\w]+")  # CLIP's rule for ASCII


def corpus() -> collections.Counter:
    """Words with the logarithm of their frequency, so that rare words get a token, too."""
    from tools.demo_model.world import Identity, Scene, caption

    words = collections.Counter(WORDS.findall(PROMPTS.lower()) * 20)
    for seed in range(CAPTIONS):
        words.update(WORDS.findall(caption(Identity.from_seed(seed), Scene.from_seed(seed), seed).lower()))
    return words


def learn_merges(words: collections.Counter, count: int) -> list[tuple[str, str]]:
    """The `count` merges of the most frequent pairs in turn, ties in alphabetical order."""
    kept = {word: min(n, 200) for word, n in words.items()}
    text = " ".join(" ".join([word] * n) for word, n in kept.items())
    # clip_vocabulary splits at commas; a comma is one token without any merge.
    return clip_vocabulary.train_merges(count, text)


def merges() -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(FILE.read_text())["merges"]]


def ids() -> dict[str, int]:
    return clip_vocabulary.vocabulary(merges())


def write_tokenizers(base: Path) -> None:
    """tokenizer/ pads with the end token, tokenizer_2/ with id 0, as published."""
    clip_vocabulary.write_tokenizer(base / "tokenizer", merges(), ids(), END)
    clip_vocabulary.write_tokenizer(base / "tokenizer_2", merges(), ids(), "!")


def tokenizers():
    """transformers' tokenizers (1, 2) for these files."""
    from transformers import CLIPTokenizer

    base = configs.WORK / "tokenizers"
    write_tokenizers(base)
    return [CLIPTokenizer.from_pretrained(base / name) for name in ("tokenizer", "tokenizer_2")]


def main() -> None:
    words = corpus()
    learnt = learn_merges(words, configs.MERGES)
    FILE.write_text(json.dumps({"merges": learnt}, ensure_ascii=False, indent=0) + "\n")
    first, _ = tokenizers()
    pieces = {word: len(first.tokenize(word)) for word in words}
    split = sorted((word for word, n in pieces.items() if n > 1), key=lambda word: -words[word])
    print(f"{len(words)} words, {len(split)} of them in more than one token: {split[:40]}")


__all__ = ["END", "START", "ids", "merges", "tokenizers", "write_tokenizers"]

if __name__ == "__main__":
    main()
