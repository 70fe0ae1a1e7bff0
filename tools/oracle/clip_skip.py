#!/usr/bin/env python3
"""Makes the clip_skip goldens: the UNet's inputs that diffusers' SDXL pipeline makes from two prompts.

    python clip_skip.py [--out DIR]

Reads the small checkpoints made by pipeline.py and writes <checkpoint>/clip_skip.safetensors
beside them: `tokens.1` and `tokens.2` [2,77] i32, `conditioning` [2,77,c] and `pooled` [2,c], each
[negative prompt, prompt], with clip_skip 1. Needs torch, diffusers 0.42 and transformers 5; fp32,
one thread.
"""

import argparse
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from pipeline_stages import token_ids
from safetensors.torch import save_file

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "pipeline"
CHECKPOINTS = ("bf16_shards", "fp16_published", "fp32_convolutions")
SKIP = 1  # the most that encoders of two layers allow
PROMPT, NEGATIVE = "a man in the snow", "blurry, text"


@torch.no_grad()
def make(name: str, folder: Path) -> dict[str, torch.Tensor]:
    pipe = StableDiffusionXLPipeline.from_pretrained(
        folder / "checkpoint" / "base",
        torch_dtype=torch.float32,
        variant="fp16" if name == "fp16_published" else None,
        add_watermarker=False,
    )

    def encode(skip):
        encoded = pipe.encode_prompt(PROMPT, None, torch.device("cpu"), 1, True, NEGATIVE, clip_skip=skip)
        conditional, unconditional, pooled, negative_pooled = encoded
        return torch.cat([unconditional, conditional]), torch.cat([negative_pooled, pooled])

    conditioning, pooled = encode(SKIP)
    usual, usual_pooled = encode(None)
    assert torch.equal(pooled, usual_pooled)
    differs = (conditioning - usual).abs().mean(dim=(1, 2))
    print(f"{name}: {tuple(conditioning.shape)}, differs by {differs.tolist()}")
    return {
        "tokens.1": token_ids(pipe.tokenizer, [NEGATIVE, PROMPT]),
        "tokens.2": token_ids(pipe.tokenizer_2, [NEGATIVE, PROMPT]),
        "conditioning": conditioning.contiguous(),
        "pooled": pooled.contiguous(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=GOLDENS)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on it
    for name in CHECKPOINTS:
        save_file(make(name, GOLDENS / name), options.out / name / "clip_skip.safetensors")


if __name__ == "__main__":
    main()
