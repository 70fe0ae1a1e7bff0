"""Compares the program's picture with that of diffusers' classes on the exported files.

    python -m tools.demo_model.generator.compare --model models/demo --program build/release/semblance

Loads everything from the files, in fp32, and uses the sampler of the sheets. Prints the difference of the
final latents, and fails if it is too large for rounding errors.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

from . import base, identity, sampling
from .latents import token_ids

PROMPT = "watercolor portrait of a smiling woman with red hair in the snow"


def identity_file(path: Path) -> dict:
    draw = np.random.default_rng(3)
    made = {
        "embedding": draw.standard_normal(512).tolist(),
        "keypoints": [[95, 110], [160, 106], [128, 140], [102, 172], [155, 170]],
        "image_size": [256, 256],
        "score": 0.9,
        "box": [60, 50, 196, 210],
    }
    path.write_text(json.dumps(made))
    return made


def load(model: Path):
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    tokenizers = [CLIPTokenizer.from_pretrained(model / "base" / name) for name in ("tokenizer", "tokenizer_2")]
    encoders = [kind.from_pretrained(model / "base" / name, torch_dtype=torch.float32) for kind, name in
                ((CLIPTextModel, "text_encoder"), (CLIPTextModelWithProjection, "text_encoder_2"))]  # fmt: skip
    unet = UNet2DConditionModel.from_pretrained(model / "base" / "unet", torch_dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(model / "base" / "vae", torch_dtype=torch.float32)
    person = identity.Person(unet)
    person.identitynet = ControlNetModel.from_pretrained(model / "ControlNetModel", torch_dtype=torch.float32)
    parts = torch.load(model / "ip-adapter.bin", weights_only=True)
    person.resampler.load_state_dict(parts["image_proj"])
    person.layers.load_state_dict(parts["ip_adapter"])
    return tokenizers, encoders, vae, person


@torch.no_grad()
def reference(model: Path, face: dict, seed: int, steps: int) -> np.ndarray:
    tokenizers, encoders, vae, person = load(model)
    tokens = torch.from_numpy(token_ids(tokenizers, [PROMPT]).astype(np.int64))
    text, pooled = base.encode(encoders, tokens)
    embedding = torch.tensor(face["embedding"])[None, None]
    condition = identity.conditions(256, np.array([face["keypoints"]]))
    tokens = torch.cat([person.resampler(torch.zeros_like(embedding)), person.resampler(embedding)])
    person.set_strength(0.8)

    def guide(noisy, timestep, added):
        return tokens, person.residuals(noisy, timestep, tokens, torch.cat([condition] * 2), added, 0.8)

    return sampling.latents(person.unet, text, pooled, 256, seed, steps, person=guide).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        face = identity_file(folder / "face.json")
        command = [options.program, "generate", "--base", options.model / "base", "--identitynet",
                   options.model / "ControlNetModel", "--adapter", options.model / "ip-adapter.bin",
                   "--face", folder / "face.json", "--prompt", PROMPT, "--size", "256x256", "--steps",
                   str(options.steps), "--seed", "7", "--precision", "f32", "--quiet",
                   "--latents", folder / "latents.npy", "-o", folder / "out.png"]  # fmt: skip
        subprocess.run(list(map(str, command)), check=True)
        got = np.load(folder / "latents.npy")
    want = reference(options.model, face, 7, options.steps)
    error = np.abs(got - want).max() / want.std()
    print(f"latents differ by {error:.1e} of their standard deviation {want.std():.3f}")
    if not error < 1e-2:
        raise SystemExit("the difference is too large for rounding errors")


if __name__ == "__main__":
    main()
