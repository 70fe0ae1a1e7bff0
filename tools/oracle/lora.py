#!/usr/bin/env python3
"""Makes the LoRA goldens: LoRA files for the small checkpoints, the merged weights, and pictures.

    python lora.py --pipeline pipeline_stable_diffusion_xl_instantid.py [--out DIR] [--only CASE]

Reads the checkpoints made by pipeline.py and writes <checkpoint>/lora_*/ beside their cases: a
case (case.json has "loras", as `semblance generate --lora` takes them, of files in that folder),
and merged.safetensors: for each changed tensor, by part and diffusers' name, its values at PLACES
evenly spaced places of the flattened tensor.

The judge of LoRA, its names, and peft's DoRA is diffusers with peft: load_lora_weights on the
published InstantID pipeline, run as loaded; fused for the merged weights. What diffusers does not
read (LoHa, LoKr, full differences, kohya's DoRA, lora_mid) is merged here by LyCORIS' and
AUTOMATIC1111's formulas, restated in plain torch (merge()). Needs torch, diffusers 0.42,
transformers 5, peft 0.21. fp32, one thread.
"""

import argparse
import json
import math
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pipeline
import pipeline_cases
import published
import torch
from safetensors.torch import load_file, save_file
from tiny_configs import CONFIGS

PLACES = 24
PARTS = {"unet": "unet", "text_encoder": "te1", "text_encoder_2": "te2"}


# -- names ---------------------------------------------------------------------------------------


def original_name(module: str, layers: int) -> str:
    """SDXL's original name of a module of the UNet."""
    inside = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
              "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}  # fmt: skip
    whole = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
             "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
             "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}  # fmt: skip
    if module in whole:
        return whole[module]
    kind, *rest = module.split(".")
    if kind == "mid_block":
        part, i, *tail = rest
        block = "middle_block.1" if part == "attentions" else f"middle_block.{2 * int(i)}"
    else:
        level, part, i, *tail = rest
        down = kind == "down_blocks"
        first = int(level) * (layers + 1) + (1 if down else 0)
        blocks = "input_blocks" if down else "output_blocks"
        if part == "downsamplers":
            return f"{blocks}.{first + layers}.0.op"
        if part == "upsamplers":
            return f"{blocks}.{first + layers}.2.conv"  # only levels with attention, in our cases
        block = f"{blocks}.{first + int(i)}.{1 if part == 'attentions' else 0}"
    tail = ".".join(tail)
    return f"{block}.{tail if 'attentions' in module else inside[tail]}"


def kohya(part: str, module: str, layers: int | None) -> str:
    """lora_unet_..., with original block names if `layers` is given."""
    if part == "unet" and layers is not None:
        module = original_name(module, layers)
    elif part != "unet" and not module.startswith("text_"):
        module = f"text_model.{module}"
    return f"lora_{PARTS[part]}_{module}".replace(".", "_")


# -- factors -------------------------------------------------------------------------------------


class Draw:
    def __init__(self, seed: int, dtype=torch.float16):
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = dtype

    def __call__(self, *shape: int, std: float = 1.0) -> torch.Tensor:
        return (std * torch.randn(shape, generator=self.generator)).to(self.dtype)


def std_of(weight: torch.Tensor) -> float:
    return float(weight.detach().float().std())


def two_factors(draw: Draw, weight: torch.Tensor, rank: int, share: float):
    """up, down whose product has `share` of the weight's deviation."""
    out, first, *kernel = weight.shape
    up = draw(out, rank, *([1] * len(kernel)), std=share * std_of(weight) / math.sqrt(rank))
    return up, draw(rank, first, *kernel)


def divisor(size: int, most: int) -> int:
    return max(d for d in range(1, most + 1) if size % d == 0)


# -- formulas ------------------------------------------------------------------------------------


def through(t: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """LyCORIS' factor with a core: sum over i, j of t[i,j,k,l] b[j,in] a[i,out]."""
    return torch.einsum("ijkl,jn,io->onkl", t, b, a)


def delta(f: dict[str, torch.Tensor], shape) -> tuple[torch.Tensor, int]:
    """The change before scaling, and the rank that alpha is divided by (0: not scaled)."""
    if "lora_down.weight" in f:
        up, down = f["lora_up.weight"], f["lora_down.weight"]
        rank = down.shape[0]
        if "lora_mid.weight" in f:
            mid = f["lora_mid.weight"]
            return torch.einsum("op,pqkl,qi->oikl", up.flatten(1), mid, down.flatten(1)), rank
        return (up.flatten(1) @ down.flatten(1)).reshape(shape), rank
    if "hada_w1_a" in f:
        if "hada_t1" in f:
            one = through(f["hada_t1"], f["hada_w1_a"], f["hada_w1_b"])
            two = through(f["hada_t2"], f["hada_w2_a"], f["hada_w2_b"])
        else:
            one, two = f["hada_w1_a"] @ f["hada_w1_b"], f["hada_w2_a"] @ f["hada_w2_b"]
        return (one * two).reshape(shape), f["hada_w1_b"].shape[0]
    if "lokr_w2" in f or "lokr_w2_a" in f:
        rank = 0
        if "lokr_w1" in f:
            w1 = f["lokr_w1"]
        else:
            w1, rank = f["lokr_w1_a"] @ f["lokr_w1_b"], f["lokr_w1_b"].shape[0]
        if "lokr_w2" in f:
            w2 = f["lokr_w2"]
        elif "lokr_t2" in f:
            w2, rank = through(f["lokr_t2"], f["lokr_w2_a"], f["lokr_w2_b"]), f["lokr_w2_b"].shape[0]
        else:
            w2, rank = f["lokr_w2_a"] @ f["lokr_w2_b"], f["lokr_w2_b"].shape[0]
        w1 = w1.reshape(*w1.shape, *([1] * (w2.ndim - 2)))
        return torch.kron(w1.contiguous(), w2.contiguous()).reshape(shape), rank
    return f["diff" if "diff" in f else "w_norm"].reshape(shape), 0


def merge(weight: torch.Tensor, factors: dict[str, torch.Tensor], strength: float) -> torch.Tensor:
    """The weight with a layer's change, in float64."""
    f = {name: tensor.double() for name, tensor in factors.items()}
    w = weight.double()
    change, rank = delta(f, w.shape)
    alpha = float(f["alpha"]) if "alpha" in f else 0.0
    scale = alpha / rank if rank and alpha else 1.0
    if "dora_scale" not in f:
        return w + strength * scale * change
    # As AUTOMATIC1111 applies it: the strength is outside. LyCORIS also has norms of rows.
    wanted = f["dora_scale"]
    merged = w + scale * change
    axes = [0, *range(2, w.ndim)] if wanted.shape[0] == 1 else list(range(1, w.ndim))
    norm = merged.pow(2).sum(axes, keepdim=True).sqrt()
    return w + strength * (merged * wanted.reshape(norm.shape) / norm - w)


# -- cases ---------------------------------------------------------------------------------------


def modules_of(pipe, part: str) -> dict[str, torch.nn.Module]:
    model = getattr(pipe, part)
    kinds = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.GroupNorm, torch.nn.LayerNorm)
    return {n: m for n, m in model.named_modules()
            if isinstance(m, kinds) and "processor" not in n and "lora" not in n}  # fmt: skip


def layers_with(pipe, part: str, pattern: str) -> dict[str, torch.nn.Module]:
    found = {n: m for n, m in modules_of(pipe, part).items() if re.search(pattern, n) and m.weight.ndim > 1}
    if not found:
        raise SystemExit(f"{part}: no layer matches {pattern}")
    return found


def kohya_linear(pipe, config) -> list[dict]:
    """LoRA as kohya's scripts write it for SDXL: original block names, alpha below the rank."""
    draw, tensors = Draw(1), {}
    chosen = [("unet", r"attn\d\.to_|ff\.net|proj_(in|out)$"), ("text_encoder", r"_proj$|fc\d$"),
              ("text_encoder_2", r"_proj$|fc\d$")]  # fmt: skip
    for part, pattern in chosen:
        for module, layer in layers_with(pipe, part, pattern).items():
            name = kohya(part, module, config["unet"]["layers_per_block"])
            up, down = two_factors(draw, layer.weight, 4, 0.6)
            tensors |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down,
                        f"{name}.alpha": torch.tensor(2.0)}  # fmt: skip
    metadata = {"ss_base_model_version": "sdxl_base_v1-0", "ss_network_dim": "4"}
    return [{"file": "style.safetensors", "tensors": tensors, "metadata": metadata,
             "unet": 0.8, "text": 0.5}]  # fmt: skip


def peft_convolutions(pipe, config) -> list[dict]:
    """diffusers' names, convolutions of all kinds, peft's settings in the metadata; and a second
    file with older names, subtracted."""
    draw, tensors = Draw(2, torch.float32), {}
    convolutions = r"conv(1|2|_in|_out|_shortcut)?$|time_emb_proj|proj_(in|out)$|to_q$|embedding\.linear"
    pattern = {}
    for i, (module, layer) in enumerate(layers_with(pipe, "unet", convolutions).items()):
        rank = 3 if i % 3 else 2
        up, down = two_factors(draw, layer.weight, rank, 0.5)
        tensors |= {f"unet.{module}.lora_B.weight": up, f"unet.{module}.lora_A.weight": down}
        if i % 5 == 0:
            pattern[module] = 1
    settings = {"unet.r": 3, "unet.lora_alpha": 6, "unet.alpha_pattern": pattern,
                "unet.rank_pattern": {m.removesuffix(".lora_A.weight").removeprefix("unet."): 2
                                      for m in tensors if m.endswith("A.weight") and tensors[m].shape[0] == 2},
                "unet.target_modules": sorted({m.split(".lora_")[0].removeprefix("unet.") for m in tensors})}  # fmt: skip
    for module, layer in layers_with(pipe, "text_encoder_2", r"text_projection|q_proj").items():
        up, down = two_factors(draw, layer.weight, 2, 0.5)
        tensors |= {f"text_encoder_2.{module}.lora_linear_layer.up.weight": up,
                    f"text_encoder_2.{module}.lora_linear_layer.down.weight": down}  # fmt: skip
    first = {"file": "layers.safetensors", "tensors": {k: v for k, v in tensors.items() if k.startswith("unet")},
             "metadata": {"lora_adapter_metadata": json.dumps(settings)}, "unet": 0.7, "text": 0.7}  # fmt: skip
    older = {k: v for k, v in tensors.items() if not k.startswith("unet")}
    for module, layer in layers_with(pipe, "unet", r"attn1\.to_(k|v|out\.0)$").items():
        up, down = two_factors(draw, layer.weight, 2, 0.5)
        name = f"unet.{module}".replace("attn1.", "attn1.processor.").replace("to_out.0", "to_out")
        older |= {f"{name}_lora.up.weight": up, f"{name}_lora.down.weight": down}
    second = {"file": "older.safetensors", "tensors": older, "metadata": {}, "unet": -0.6, "text": -0.6}
    return [first, second]


def peft_dora(pipe, config) -> list[dict]:
    """peft's DoRA: norms of rows."""
    draw, tensors = Draw(3), {}
    for module, layer in layers_with(pipe, "unet", r"attn\d\.to_|ff\.net").items():
        up, down = two_factors(draw, layer.weight, 3, 0.5)
        norm = layer.weight.float().norm(dim=1)
        magnitude = (norm * (1 + 0.3 * draw(norm.shape[0]).float())).to(torch.float16)
        tensors |= {f"unet.{module}.lora_B.weight": up, f"unet.{module}.lora_A.weight": down,
                    f"unet.{module}.lora_magnitude_vector": magnitude}  # fmt: skip
    return [{"file": "dora.safetensors", "tensors": tensors, "metadata": {}, "unet": 0.8, "text": 0.8}]


def of_kind(kind: str, draw: Draw, weight: torch.Tensor, share: float) -> dict[str, torch.Tensor]:
    out, first, *kernel = weight.shape
    wide = first * math.prod(kernel)
    std, rank = share * std_of(weight), 3
    if kind == "lora":
        up, down = two_factors(draw, weight, rank, share)
        return {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(2.0)}
    if kind == "mid":
        return {"lora_up.weight": draw(out, rank, 1, 1, std=std / rank), "lora_down.weight": draw(rank, first, 1, 1),
                "lora_mid.weight": draw(rank, rank, *kernel), "alpha": torch.tensor(2.0)}  # fmt: skip
    if kind == "loha":
        return {"hada_w1_a": draw(out, rank, std=std / rank), "hada_w1_b": draw(rank, wide),
                "hada_w2_a": draw(out, rank), "hada_w2_b": draw(rank, wide), "alpha": torch.tensor(2.0)}  # fmt: skip
    if kind == "loha_core":
        one = {"hada_t1": draw(rank, rank, *kernel), "hada_w1_a": draw(rank, out, std=std / rank**2),
               "hada_w1_b": draw(rank, first)}  # fmt: skip
        two = {"hada_t2": draw(rank, rank, *kernel), "hada_w2_a": draw(rank, out), "hada_w2_b": draw(rank, first)}
        return one | two | {"alpha": torch.tensor(1.0)}
    if kind == "diff":
        return {"diff": draw(*weight.shape, std=std)}
    outer = (divisor(out, 8), divisor(first, 4))
    inner = (out // outer[0], first // outer[1])
    if kind == "lokr":
        return {"lokr_w1": draw(*outer, std=std), "lokr_w2": draw(*inner, *kernel), "alpha": torch.tensor(7.0)}
    if kind == "lokr_factors":
        return {"lokr_w1_a": draw(outer[0], 2, std=std), "lokr_w1_b": draw(2, outer[1]),
                "lokr_w2_a": draw(inner[0], rank, std=0.4),
                "lokr_w2_b": draw(rank, inner[1] * math.prod(kernel)), "alpha": torch.tensor(2.0)}  # fmt: skip
    if kind == "lokr_core":
        return {"lokr_w1": draw(*outer, std=std / 2), "lokr_t2": draw(rank, rank, *kernel),
                "lokr_w2_a": draw(rank, inner[0]), "lokr_w2_b": draw(rank, inner[1]), "alpha": torch.tensor(2.0)}  # fmt: skip
    raise SystemExit(kind)


def with_dora(draw: Draw, weight: torch.Tensor, by_rows: bool) -> torch.Tensor:
    axes = list(range(1, weight.ndim)) if by_rows else [0, *range(2, weight.ndim)]
    norm = weight.float().pow(2).sum(axes, keepdim=True).sqrt()
    return norm.to(torch.float16) * (1 + 0.3 * draw(*norm.shape))


def lycoris_kinds(pipe, config) -> list[dict]:
    """Every kind that diffusers does not read, on linear layers, convolutions, norms, biases and both
    text encoders; with norms of columns and rows."""
    draw, tensors = Draw(4), {}
    for part in PARTS:
        i = 0
        for module, layer in modules_of(pipe, part).items():
            if "embedding" in module.split(".")[-1]:
                continue
            name = kohya(part, module, config["unet"]["layers_per_block"] if i % 2 else None)
            weight = layer.weight.detach()
            i += 1
            if weight.ndim == 1:
                tensors |= {f"{name}.w_norm": draw(*weight.shape, std=0.1), f"{name}.b_norm": draw(*weight.shape, std=0.1)}
                continue
            kernel = weight.ndim == 4 and weight.shape[2] > 1
            kinds = (["mid", "loha_core", "lokr_core", "lokr", "loha", "lora"] if kernel
                     else ["loha", "lokr", "lokr_factors", "diff", "lora"])  # fmt: skip
            kind = kinds[i % len(kinds)]
            if kind == "diff" and weight.numel() > 3000:
                kind = "lokr"  # small files
            made = of_kind(kind, draw, weight, 0.5)
            if i % 4 == 1:
                made["dora_scale"] = with_dora(draw, weight, i % 8 == 1)
            if layer.bias is not None and i % 3 == 0:
                made["diff_b"] = draw(weight.shape[0], std=0.1)
            tensors |= {f"{name}.{k}": v for k, v in made.items()}
    return [{"file": "kinds.safetensors", "tensors": tensors, "metadata": {}, "unet": 0.7, "text": 0.4}]


# By case: checkpoint, maker, whether diffusers is the judge.
CASES = {
    "lora_kohya": ("fp16_published", kohya_linear, True),
    "lora_peft": ("fp32_convolutions", peft_convolutions, True),
    "lora_peft_dora": ("bf16_shards", peft_dora, True),
    "lora_kinds": ("bf16_shards", lycoris_kinds, False),
    "lora_kinds_2": ("fp16_published", lycoris_kinds, False),
}


# -- judges --------------------------------------------------------------------------------------


def load_with_diffusers(pipe, loras: list[dict], folder: Path) -> None:
    names, weights = [], []
    for i, lora in enumerate(loras):
        pipe.load_lora_weights(folder, weight_name=lora["file"], adapter_name=f"a{i}")
        names.append(f"a{i}")
        weights.append({"unet": lora["unet"], "text_encoder": lora["text"], "text_encoder_2": lora["text"]})
    present = {part for part, adapters in pipe.get_list_adapters().items() if adapters}
    asked = [{p: w for p, w in weight.items() if p in present} for weight in weights]
    pipe.set_adapters(names, adapter_weights=asked)


def plain_name(name: str) -> str:
    return re.sub(r"\.base_layer\b", "", name)


def state_of(pipe, part: str) -> dict[str, torch.Tensor]:
    state = getattr(pipe, part).state_dict()
    return {plain_name(k): v.detach().clone() for k, v in state.items() if "processor" not in k and "lora_" not in k}


def merge_here(pipe, loras: list[dict], config: dict) -> None:
    with torch.no_grad():
        for lora in loras:
            by_name: dict[str, dict[str, torch.Tensor]] = {}
            for key, tensor in lora["tensors"].items():
                name, role = key.split(".", 1)
                by_name.setdefault(name, {})[role] = tensor
            done = set()
            for part in PARTS:
                strength = lora["unet" if part == "unet" else "text"]
                for module, layer in modules_of(pipe, part).items():
                    for names in (None, config["unet"]["layers_per_block"]):
                        name = kohya(part, module, names)
                        if name not in by_name or name in done:
                            continue
                        done.add(name)
                        roles = dict(by_name[name])
                        bias = roles.pop("diff_b", roles.pop("b_norm", None))
                        layer.weight.copy_(merge(layer.weight, roles, strength).float())
                        if bias is not None:
                            layer.bias.copy_((layer.bias.double() + strength * bias.double()).float())
            if done != set(by_name):
                raise SystemExit(f"not merged: {sorted(set(by_name) - done)[:5]}")


def samples(before: dict, after: dict, part: str) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in after.items():
        if torch.equal(tensor, before[name]):
            continue
        flat = tensor.flatten()
        places = torch.linspace(0, flat.numel() - 1, PLACES, dtype=torch.float64).floor().long()
        canonical = name if part == "unet" or name.startswith("text_") else f"text_model.{name}"
        found[f"{part}:{canonical}"] = flat[places].float().contiguous()
    return found


def write(module, name: str, out: Path) -> None:
    checkpoint, make, by_diffusers = CASES[name]
    config = CONFIGS[checkpoint]
    pipe = published.load_pipeline(module, out / checkpoint / "checkpoint", config["variant"])
    folder = out / checkpoint / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    loras = make(pipe, config)
    before = {part: state_of(pipe, part) for part in PARTS}
    for lora in loras:
        save_file(lora["tensors"], folder / lora["file"], metadata=lora["metadata"] or None)
    if by_diffusers:
        load_with_diffusers(pipe, loras, folder)
    else:
        merge_here(pipe, loras, config)

    request = pipeline_cases.PLAIN | {"checkpoint": checkpoint, "size": [72, 80], "steps": 3}
    identity = pipeline.make_identity(request)
    latents = pipeline.run(pipe, module, request, identity, "latent").numpy()
    picture = pipeline.run(pipe, module, request, identity, "pil")[0]
    request["keypoints"] = pipeline.keypoints_on_picture(identity, request["size"]).tolist()
    request["embedding"] = identity["embedding"]
    request["loras"] = [f"{x['file']}:{x['unet']}" + (f":{x['text']}" if x["text"] != x["unet"] else "") for x in loras]
    (folder / "case.json").write_text(json.dumps(request, ensure_ascii=False, indent=1) + "\n")
    np.save(folder / "latents.npy", latents)
    picture.save(folder / "picture.png")

    if by_diffusers:
        parts = [part for part, adapters in pipe.get_list_adapters().items() if adapters]
        pipe.fuse_lora(components=parts)
    merged = {}
    for part in PARTS:
        merged |= samples(before[part], state_of(pipe, part), part)
    save_file(merged, folder / "merged.safetensors")

    plain = published.load_pipeline(module, out / checkpoint / "checkpoint", config["variant"])
    without = np.asarray(pipeline.run(plain, module, request, identity, "pil")[0])
    size = sum(f.stat().st_size for f in folder.iterdir()) // 1024
    print(f"{name}: {len(merged)} tensors changed, {pipeline.psnr(np.asarray(picture), without):.1f} dB from the "
          f"picture without, latent std {latents.std():.2f}, {size} KiB")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pipeline", type=Path, required=True, help="the community file")
    parser.add_argument("--out", type=Path, default=pipeline.GOLDENS)
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    module = published.load_module(options.pipeline)
    for name in CASES:
        if options.only in (None, name):
            write(module, name, options.out)


if __name__ == "__main__":
    main()
