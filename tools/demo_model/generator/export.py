"""Writes the trained parts in the published layout, 16-bit, to models/demo (or --out).

    python -m tools.demo_model.generator.export
    python -m tools.demo_model.generator.export --random --out /tmp/random

Writes models/demo/base (a diffusers folder), ControlNetModel and ip-adapter.bin, without parts that are not
trained yet. progress.json gives the progress of each stage. --random writes all parts with random weights, to try
sizes and speed.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from . import configs, nets, vocabulary

LIBRARIES = {
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
}


def halved(state: dict[str, torch.Tensor], what: str) -> dict[str, torch.Tensor]:
    made = {name: tensor.half().contiguous() for name, tensor in state.items()}
    broken = [name for name, tensor in made.items() if not tensor.isfinite().all()]
    if broken:
        raise SystemExit(f"{what}: {broken[0]} does not fit in 16 bits")
    return made


def write_config(module, folder: Path, drop: tuple[str, ...] = ()) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(module, "save_config"):
        module.save_config(folder)
    else:
        module.config.save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key in ("dtype", "_name_or_path", *drop):
        config.pop(key, None)
    if not hasattr(module, "save_config"):
        config["architectures"] = [type(module).__name__]
    path.write_text(json.dumps(config, indent=2) + "\n")


def text_encoder(module, folder: Path) -> None:
    write_config(module, folder)
    state = {name if name.startswith("text_") else f"text_model.{name}": tensor
             for name, tensor in module.state_dict().items() if not name.endswith("position_ids")}  # fmt: skip
    save_file(halved(state, folder.name), folder / "model.safetensors", metadata={"format": "pt"})


def diffusers_part(module, folder: Path) -> None:
    write_config(module, folder)
    # The adapter's layers are inside the UNet's processors but go to a separate file.
    state = {name: tensor for name, tensor in module.state_dict().items() if ".processor." not in name}
    save_file(
        halved(state, folder.name),
        folder / "diffusion_pytorch_model.safetensors",
        metadata={"format": "pt"},
    )


def base(out: Path, encoders, unet, vae) -> None:
    from diffusers import EulerDiscreteScheduler

    vocabulary.write_tokenizers(out)
    for name, module in zip(("text_encoder", "text_encoder_2"), encoders):
        text_encoder(module, out / name)
    diffusers_part(unet, out / "unet")
    diffusers_part(vae, out / "vae")
    EulerDiscreteScheduler(**configs.SCHEDULER).save_pretrained(out / "scheduler")
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": True,
    }
    (out / "generation_config.json").write_text(json.dumps({"guidance_scale": configs.GUIDANCE}, indent=2) + "\n")
    (out / "model_index.json").write_text(json.dumps(index | LIBRARIES, indent=2) + "\n")


def adapter(out: Path, resampler, layers) -> None:
    parts = {
        "image_proj": halved(resampler.state_dict(), "image_proj"),
        "ip_adapter": halved(layers.state_dict(), "ip_adapter"),
    }
    torch.save(parts, out / "ip-adapter.bin")


def report(out: Path) -> None:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    for path in files:
        if path.stat().st_size > 100_000:
            print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.relative_to(out)}")
    print(f"{sum(path.stat().st_size for path in files) / 1e6:8.2f} MB  total")


def write_random(out: Path) -> None:
    torch.manual_seed(1)
    encoders, unet, vae = nets.text_encoders(vocabulary.ids()), nets.unet(), nets.vae()
    base(out / "base", encoders, unet, vae)
    net = nets.identitynet(unet)
    for conv in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(conv.weight, std=0.05)
    diffusers_part(net, out / "ControlNetModel")
    adapter(out, nets.Resampler(), nets.face_attention(unet))


def write_trained(out: Path) -> None:
    from . import autoencoder, identity
    from . import base as base_stage

    vae, made = autoencoder.load(), base_stage.load()
    person = identity.load(made["unet"]) if made else None  # includes the UNet as trained with it
    if made:
        base(out / "base", made["encoders"], made["unet"], vae)
    elif vae:
        diffusers_part(vae, out / "base" / "vae")
    if person:
        diffusers_part(person["identitynet"], out / "ControlNetModel")
        adapter(out, person["resampler"], person["layers"])
    path = out / "progress.json"
    reached = json.loads(path.read_text()) if path.exists() else {}
    for stage in ("autoencoder", "base", "identity"):
        progress = configs.WORK / stage / "progress.json"
        if progress.exists():
            reached[stage] = json.loads(progress.read_text())
    path.write_text(json.dumps(reached, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=configs.PRODUCT)
    parser.add_argument("--random", action="store_true")
    options = parser.parse_args()
    if options.random:
        write_random(options.out)
    else:
        write_trained(options.out)
    report(options.out)


if __name__ == "__main__":
    main()
