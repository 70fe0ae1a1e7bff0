#!/usr/bin/env python3
"""Makes the goldens of the VAE's tiled decode: diffusers' AutoencoderKL with enable_tiling().

    python vae_tiling.py [--out DIR]

Reads the small checkpoints made by pipeline.py and writes <checkpoint>/vae_tiling.safetensors
beside them: `latent` [1,4,h,w] as the sampler returns it, `tiled` [1,3,8h,8w], and `whole`, every
eighth row of the same without tiles. Needs torch and diffusers 0.42; fp32, one thread.
"""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "pipeline"

# Sizes of the latent: three columns of tiles, the last narrower than the fade; one row of tiles, the last
# one column wide; one column of tiles.
CASES = {"bf16_shards": (14, 20), "fp16_published": (9, 25), "fp32_convolutions": (27, 7)}


@torch.no_grad()
def make(name: str, folder: Path) -> dict[str, torch.Tensor]:
    vae = AutoencoderKL.from_pretrained(
        folder / "checkpoint" / "base" / "vae",
        torch_dtype=torch.float32,
        variant="fp16" if name == "fp16_published" else None,
    )
    vae.eval()
    generator = torch.Generator("cpu").manual_seed(20)
    latent = torch.randn((1, 4, *CASES[name]), generator=generator) * 3
    scaled = latent / vae.config.scaling_factor
    whole = vae.decode(scaled, return_dict=False)[0]
    vae.enable_tiling()
    tiled = vae.decode(scaled, return_dict=False)[0]
    assert tiled.shape == whole.shape
    distance = (tiled - whole).abs()
    print(f"{name}: {tuple(tiled.shape)}, tiles of {vae.tile_latent_min_size}, differs by {distance.mean():.3f}")
    return {"latent": latent, "tiled": tiled.contiguous(), "whole": whole[:, :, ::8].contiguous()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=GOLDENS)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on it
    for name in CASES:
        save_file(make(name, GOLDENS / name), options.out / name / "vae_tiling.safetensors")


if __name__ == "__main__":
    main()
