#!/usr/bin/env python3
"""Writes a full-size random SDXL + InstantID checkpoint: published names, shapes and types, about 11 GB.

    python make_checkpoint.py --out DIR [--seed N] [--hollow]

For benchmarks and for comparing full-size outputs; its pictures are noise. Writes to DIR base/ (the diffusers
folder: fp16, *.fp16.safetensors), identitynet/ (fp16) and ip-adapter.bin (a torch archive, fp32 as
published). Names and shapes come from diffusers' and transformers' classes on the meta device.
Tensors are drawn and written one at a time, so memory holds at most the adapter (1.7 GB).
With --hollow all weights are zeros that take no disk space: enough for plans, and done in a minute.
Needs torch, diffusers, transformers and safetensors.
"""

import argparse
import json
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))
import clip_vocabulary  # noqa: E402
import tiny_checkpoint  # noqa: E402

UNET = {
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
IDENTITYNET = {"conditioning_embedding_out_channels": [16, 32, 96, 256]}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
    "force_upcast": True,
}
TEXT = {"vocab_size": 49408, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
TEXT_ENCODER = TEXT | {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
}
TEXT_ENCODER_2 = TEXT | {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
RESAMPLER = {"width": 1280, "depth": 4, "heads": 20, "queries": 16}
SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.19.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}
MODEL_INDEX = {
    "_class_name": "StableDiffusionXLPipeline",
    "_diffusers_version": "0.19.0.dev0",
    "force_zeros_for_empty_prompt": True,
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
# By name prefix, in addition to tiny_checkpoint.value's scales: the decoder gets latents of about 15 / 0.13.
GAINS = {
    "post_quant_conv.weight": 0.01,
    "decoder.conv_out.weight": 0.4,
    "controlnet_down_blocks": 0.6,
    "controlnet_mid_block": 0.6,
}
ALIGNMENT = 8


def shapes(module) -> dict[str, torch.Size]:
    return {n: t.shape for n, t in module.state_dict().items() if t.is_floating_point()}


def write_fp16(
    path: Path, tensors: dict[str, torch.Size], generator: torch.Generator, hollow: bool
) -> None:
    """Writes a safetensors file with one tensor in memory at a time."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        if hollow:
            file.truncate(8 + len(text) + end)
            tensors = {}
        for name, shape in tensors.items():
            gain = next((g for prefix, g in GAINS.items() if name.startswith(prefix)), 1.0)
            drawn = gain * tiny_checkpoint.value(name, shape, generator)
            file.write(drawn.to(torch.float16).numpy().tobytes())
    print(f"{path}: {len(header) - 1} tensors, {end / 1e9:.2f} GB", flush=True)


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def meta_models() -> dict[str, object]:
    """The modules without their weights, by output folder."""
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNET)
        return {
            "base/text_encoder": CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)),
            "base/text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**TEXT_ENCODER_2)),
            "base/vae": AutoencoderKL(**VAE),
            "base/unet": unet,
            "identitynet": ControlNetModel.from_unet(
                unet, load_weights_from_unet=False, **IDENTITYNET
            ),
        }


def write_configs(out: Path, models: dict[str, object]) -> None:
    base = out / "base"
    write_json(base / "model_index.json", MODEL_INDEX)
    write_json(base / "scheduler" / "scheduler_config.json", SCHEDULER)
    for part, sizes in (("text_encoder", TEXT_ENCODER), ("text_encoder_2", TEXT_ENCODER_2)):
        named = {
            "architectures": [MODEL_INDEX[part][1]],
            "model_type": "clip_text_model",
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": 77,
        }
        write_json(base / part / "config.json", named | sizes)
    for folder in ("base/vae", "base/unet", "identitynet"):
        models[folder].save_config(out / folder)
    merges = clip_vocabulary.train_merges(150)
    ids = clip_vocabulary.vocabulary(merges, size=TEXT["vocab_size"])
    clip_vocabulary.write_tokenizer(base / "tokenizer", merges, ids, clip_vocabulary.END)
    clip_vocabulary.write_tokenizer(base / "tokenizer_2", merges, ids, "!")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hollow", action="store_true", help="weights that take no disk space, for plans")
    options = parser.parse_args()
    models = meta_models()
    files = {}
    for folder, module in models.items():
        stem = "model" if "text" in folder else "diffusion_pytorch_model"
        variant = "" if folder == "identitynet" else ".fp16"
        names = shapes(module)
        if folder == "base/text_encoder":  # transformers 5 omits the prefix of the published files
            names = {n if n.startswith("text_") else f"text_model.{n}": s for n, s in names.items()}
        files[options.out / folder / f"{stem}{variant}.safetensors"] = names
    unet = models["base/unet"]
    adapter = tiny_checkpoint.adapter_shapes(
        RESAMPLER, UNET["cross_attention_dim"], tiny_checkpoint.processor_widths(unet)
    )
    need = 2 * sum(math.prod(s) for names in files.values() for s in names.values())
    need += 4 * sum(math.prod(s) for names in adapter.values() for s in names.values())
    options.out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(options.out).free
    if not options.hollow and free < need + 10**9:
        raise SystemExit(
            f"cannot write {options.out}: {need / 1e9:.1f} GB and 1 GB to spare are needed,"
            f" {free / 1e9:.1f} GB are free"
        )
    generator = torch.Generator().manual_seed(options.seed)
    write_configs(options.out, models)
    for path, names in files.items():
        write_fp16(path, names, generator, options.hollow)

    def value(name: str, shape: torch.Size) -> torch.Tensor:
        if options.hollow:
            return torch.zeros(shape)
        return tiny_checkpoint.value(name, shape, generator)

    parts = {part: {n: value(n, s) for n, s in names.items()} for part, names in adapter.items()}
    torch.save(parts, options.out / "ip-adapter.bin")
    if options.hollow:
        subprocess.run(["fallocate", "--dig-holes", options.out / "ip-adapter.bin"], check=True)
    print(f"{options.out}: {need / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
