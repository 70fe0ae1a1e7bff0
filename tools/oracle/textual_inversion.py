#!/usr/bin/env python3
"""Makes the goldens of textual inversions: what diffusers' load_textual_inversion gives.

    python textual_inversion.py [--out DIR]

For each small checkpoint that pipeline.py has made, <checkpoint>/embeddings/ gets files as people have them
(toy-cat.safetensors with three vectors, one.pt with one vector in half precision, and old.pt for one encoder
alone), and <checkpoint>/textual_inversion.safetensors the conditioning: for each prompt in its metadata
`plain.<i>.conditioning` [2,77,c], `plain.<i>.pooled` [2,c] and, with the encoding of prompt_encodings.py,
`weighted.<i>....`; negative prompt first. With eos_token_id 2 diffusers pools at the highest id, which is one
of the added tokens (diffusers issue 10754), so that checkpoint has no `pooled` of prompts with vectors. Needs
torch, diffusers 0.42 and transformers 5; fp32, one thread.
"""

import argparse
import json
from pathlib import Path

import prompt_encodings
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "pipeline"
CHECKPOINTS = ("bf16_shards", "fp16_published", "fp32_convolutions")
PROMPTS = [
    ("one, blurry", "a photo of toy-cat in the snow"),
    ("blurry", "toy-cat"),
    ("", "the man, toy-cat (toy-cat:1.4), one"),
]  # fmt: skip


def write_embeddings(folder: Path, widths: list[int]) -> dict[str, list[torch.Tensor]]:
    """By word, the vectors of both encoders."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(7)
    toy = [0.7 * torch.randn(3, width, generator=draw) for width in widths]
    one = [(0.7 * torch.randn(1, width, generator=draw)).half() for width in widths]
    save_file({"clip_l": toy[0], "clip_g": toy[1]}, folder / "toy-cat.safetensors")
    torch.save({"clip_g": one[1], "clip_l": one[0]}, folder / "one.pt")
    old = {"string_to_token": {"*": 265}, "string_to_param": {"*": toy[0]}, "name": "old", "step": 1}
    torch.save(old, folder / "old.pt")
    both = {"string_to_token": {"*": 265}, "string_to_param": {"clip_l": toy[0], "clip_g": toy[1]}, "name": "both"}
    torch.save(both, folder / "both.pt")
    return {"toy-cat": toy, "one": one}


def load(pipe, words: dict[str, list[torch.Tensor]]) -> None:
    for word, (first, second) in words.items():
        pipe.load_textual_inversion(first.float(), token=word, text_encoder=pipe.text_encoder, tokenizer=pipe.tokenizer)
        pipe.load_textual_inversion(second.float(), token=word, text_encoder=pipe.text_encoder_2, tokenizer=pipe.tokenizer_2)


@torch.no_grad()
def make(name: str, folder: Path) -> dict[str, torch.Tensor]:
    pipe = StableDiffusionXLPipeline.from_pretrained(
        folder / "checkpoint" / "base",
        torch_dtype=torch.float32,
        variant="fp16" if name == "fp16_published" else None,
        add_watermarker=False,
    )
    widths = [pipe.text_encoder.config.hidden_size, pipe.text_encoder_2.config.hidden_size]
    load(pipe, write_embeddings(folder / "embeddings", widths))
    pools_at_end = pipe.text_encoder_2.config.eos_token_id != 2
    tensors = {}
    for i, (negative, prompt) in enumerate(PROMPTS):
        if "(" not in prompt:
            encoded = pipe.encode_prompt(prompt, None, torch.device("cpu"), 1, True, negative)
            tensors[f"plain.{i}.conditioning"] = torch.cat([encoded[1], encoded[0]])
            tensors[f"plain.{i}.pooled"] = torch.cat([encoded[3], encoded[2]])
        converted = [pipe.maybe_convert_prompt(text, pipe.tokenizer) for text in (negative, prompt)]
        conditioning, pooled = prompt_encodings.weighted(pipe, *converted)
        tensors[f"weighted.{i}.conditioning"], tensors[f"weighted.{i}.pooled"] = conditioning, pooled
    if not pools_at_end:
        tensors = {n: t for n, t in tensors.items() if not n.endswith("pooled")}
    for key, tensor in tensors.items():
        print(f"{name}: {key} {tuple(tensor.shape)}")
    return {key: tensor.contiguous() for key, tensor in tensors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=GOLDENS)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on it
    for name in CHECKPOINTS:
        metadata = {"prompts": json.dumps(PROMPTS)}
        save_file(make(name, GOLDENS / name), options.out / name / "textual_inversion.safetensors", metadata=metadata)


if __name__ == "__main__":
    main()
