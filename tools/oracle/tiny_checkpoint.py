"""Builds a small random checkpoint in the published layout from one entry of tiny_configs.py.

Names and shapes come from the classes of diffusers and transformers. The values are drawn here and scaled
so that activations stay near 1 in every part and every tensor affects the picture: no zero
convolutions, no norm at 1 and 0, no bias at 0.
"""

import inspect
import json
import math
import shutil
from pathlib import Path

import clip_vocabulary
import torch
from safetensors.torch import save_file

EMBEDDING_WIDTH = 512  # of the recogniser


def value(name: str, shape, generator: torch.Generator) -> torch.Tensor:
    """A random tensor for a parameter of this name, scaled according to its role in the network."""
    noise = torch.randn(tuple(shape), generator=generator)
    if name.endswith("bias"):
        return 0.2 * noise
    if len(shape) == 1:
        return 1 + 0.2 * noise  # a norm's weight
    if "embedding.weight" in name or name == "latents":
        return 0.7 * noise
    fan_in = math.prod(shape[1:])
    # The last layer of a residual branch is smaller, so that the trunk does not grow.
    ends_branch = ("conv2.", "to_out.", "ff.net.2.", "proj_out.", "out_proj.", "fc2.")
    gain = 0.7 if any(part in name for part in ends_branch) else 1.0
    if "cond_embedding" in name:
        gain = 1.8  # SiLU after every convolution halves its input
    if any(part in name for part in ("to_q.", "to_k.", "q_proj.", "k_proj.", "to_k_ip.")):
        gain = 1.5  # unequal scores, so that attention is not a plain mean
    return gain / math.sqrt(fan_in) * noise


def fill(module: torch.nn.Module, generator: torch.Generator, gains: dict[str, float]) -> None:
    """Draws every parameter of the module, in the order of its state dict; `gains` by name prefix."""
    state = module.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            gain = next((g for prefix, g in gains.items() if name.startswith(prefix)), 1.0)
            state[name] = gain * value(name, tensor.shape, generator)
    module.load_state_dict(state)
    module.eval()


def unet_config(config: dict) -> dict:
    widths = [config[part]["hidden_size"] for part in ("text_encoder", "text_encoder_2")]
    pooled = config["text_encoder_2"]["projection_dim"]
    return config["unet"] | {
        "cross_attention_dim": sum(widths),
        "addition_embed_type": "text_time",
        "projection_class_embeddings_input_dim": pooled
        + 6 * config["unet"]["addition_time_embed_dim"],
    }


def text_encoder(config: dict, part: str, ids: dict[str, int]):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    sizes = config[part]
    old = config["eos_token_id"] == 2
    made = CLIPTextConfig(
        vocab_size=len(ids),
        hidden_size=sizes["hidden_size"],
        intermediate_size=3 * sizes["hidden_size"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        hidden_act=sizes["hidden_act"],
        projection_dim=sizes.get("projection_dim", sizes["hidden_size"]),
        bos_token_id=0 if old else ids[clip_vocabulary.START],
        eos_token_id=2 if old else ids[clip_vocabulary.END],
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel)(made)


def build(config: dict) -> dict[str, object]:
    """The modules with their values, by folder name."""
    from diffusers import AutoencoderKL, ControlNetModel, EulerDiscreteScheduler
    from diffusers import UNet2DConditionModel

    generator = torch.Generator().manual_seed(config["seed"])
    ids = clip_vocabulary.vocabulary(
        clip_vocabulary.train_merges(config["merges"]), config["end_is_last"]
    )
    unet = UNet2DConditionModel(**unet_config(config))
    made = {
        "text_encoder": text_encoder(config, "text_encoder", ids),
        "text_encoder_2": text_encoder(config, "text_encoder_2", ids),
        "unet": unet,
        "vae": AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            latent_channels=4,
            **config["vae"],
        ),
        "identitynet": ControlNetModel.from_unet(
            unet, load_weights_from_unet=False, **config["identitynet"]
        ),
    }
    gains = {
        "vae": {
            "post_quant_conv.weight": config["gains"]["latent"],
            "decoder.conv_out.weight": config["gains"]["picture"],
        },
        "identitynet": {"controlnet_down_blocks": 0.6, "controlnet_mid_block": 0.6},
    }
    for part, module in made.items():
        fill(module, generator, gains.get(part, {}))
    made["adapter"] = adapter(config, unet, generator)
    made["scheduler"] = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, **config["scheduler"]
    )
    made["ids"] = ids
    return made


def adapter_shapes(resampler: dict, cross_width: int, processors: dict) -> dict[str, dict]:
    """Names and shapes of ip-adapter.bin. `processors` maps the names of the UNet's attention processors,
    in order, to the widths of their blocks."""
    width, inner = resampler["width"], 64 * resampler["heads"]
    proj = {
        "latents": (1, resampler["queries"], width),
        "proj_in.weight": (width, EMBEDDING_WIDTH),
        "proj_in.bias": (width,),
        "proj_out.weight": (cross_width, width),
        "proj_out.bias": (cross_width,),
        "norm_out.weight": (cross_width,),
        "norm_out.bias": (cross_width,),
    }
    for i in range(resampler["depth"]):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            proj[f"layers.{i}.{norm}.weight"] = (width,)
            proj[f"layers.{i}.{norm}.bias"] = (width,)
        proj[f"layers.{i}.0.to_q.weight"] = (inner, width)
        proj[f"layers.{i}.0.to_kv.weight"] = (2 * inner, width)
        proj[f"layers.{i}.0.to_out.weight"] = (width, inner)
        proj[f"layers.{i}.1.1.weight"] = (4 * width, width)
        proj[f"layers.{i}.1.3.weight"] = (width, 4 * width)
    layers = {}
    for i, (name, block_width) in enumerate(processors.items()):
        if name.endswith("attn2.processor"):
            layers[f"{i}.to_k_ip.weight"] = (block_width, cross_width)
            layers[f"{i}.to_v_ip.weight"] = (block_width, cross_width)
    return {"image_proj": proj, "ip_adapter": layers}


def processor_widths(unet) -> dict[str, int]:
    """The UNet's attention processors in the adapter's order (down, up, mid)."""
    return {
        name: unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for name in unet.attn_processors
    }


def adapter(config: dict, unet, generator: torch.Generator) -> dict[str, dict[str, torch.Tensor]]:
    shapes = adapter_shapes(
        config["resampler"], unet.config.cross_attention_dim, processor_widths(unet)
    )
    parts = {part: {n: value(n, s, generator) for n, s in names.items()} for part, names in shapes.items()}  # fmt: skip
    # A face embedding has a norm of about 20, not elements of about 1 as the layers above expect.
    parts["image_proj"]["proj_in.weight"] *= 1.2
    return parts


def drop_defaults(path: Path, constructor) -> None:
    """Removes every key from a config.json whose value is the class's default."""
    config = json.loads(path.read_text())
    defaults = {n: p.default for n, p in inspect.signature(constructor).parameters.items()}

    def is_default(key, value):
        default = defaults.get(key, inspect.Parameter.empty)
        return value == (list(default) if isinstance(default, tuple) else default)

    kept = {k: v for k, v in config.items() if k.startswith("_") or not is_default(k, v)}
    path.write_text(json.dumps(kept, indent=2) + "\n")


def save_text_encoder(config: dict, module, folder: Path, dtype: torch.dtype) -> None:
    module.config.save_pretrained(folder)
    path = folder / "config.json"
    saved = json.loads(path.read_text())
    saved.pop("dtype", None)
    path.write_text(json.dumps(saved | {"architectures": [type(module).__name__]}, indent=2) + "\n")
    tensors = {}
    for name, tensor in module.state_dict().items():
        named = name.startswith("text_") or not config["text_model_prefix"]
        tensors[name if named else f"text_model.{name}"] = tensor.to(dtype).contiguous()
    if config["position_ids"] and config["text_model_prefix"]:
        tensors["text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
    variant = f".{config['variant']}" if config["variant"] else ""
    save_file(tensors, folder / f"model{variant}.safetensors", metadata={"format": "pt"})


def write(config: dict, out: Path) -> None:
    """Empties `out` and writes base/, identitynet/ and the adapter into it."""
    made = build(config)
    dtype = getattr(torch, config["file_dtype"])
    shutil.rmtree(out, ignore_errors=True)
    base = out / "base"
    merges = clip_vocabulary.train_merges(config["merges"])
    clip_vocabulary.write_tokenizer(base / "tokenizer", merges, made["ids"], clip_vocabulary.END)
    clip_vocabulary.write_tokenizer(base / "tokenizer_2", merges, made["ids"], "!")
    for part in ("text_encoder", "text_encoder_2"):
        save_text_encoder(config, made[part], base / part, dtype)
    shard = config.get("shard_bytes", 10**9)
    for part, folder in (("unet", base / "unet"), ("vae", base / "vae"), ("identitynet", out / "identitynet")):  # fmt: skip
        # The published identitynet has fp16 values in a file without the variant in its name.
        variant = config["variant"] if part != "identitynet" else None
        size = shard if part == "unet" else 10**9
        made[part].to(dtype).save_pretrained(folder, variant=variant, max_shard_size=size)
        if config["minimal_configs"]:
            drop_defaults(folder / "config.json", type(made[part]).__init__)
    made["scheduler"].save_pretrained(base / "scheduler")
    libraries = {"tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
                 "text_encoder": ["transformers", "CLIPTextModel"],
                 "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
                 "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
                 "scheduler": ["diffusers", "EulerDiscreteScheduler"]}  # fmt: skip
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": config["force_zeros_for_empty_prompt"],
    }
    (base / "model_index.json").write_text(json.dumps(index | libraries, indent=2) + "\n")
    parts = {p: {n: t.to(dtype).contiguous() for n, t in names.items()} for p, names in made["adapter"].items()}  # fmt: skip
    path = out / config["adapter_file"]
    if path.suffix == ".safetensors":
        save_file({f"{p}.{n}": t for p, names in parts.items() for n, t in names.items()}, path)
    else:
        torch.save(parts, path)
