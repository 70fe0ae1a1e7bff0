"""Writes the goldens of single-file checkpoints: SDXL with its original names, in the common
layouts.

- sdxl_names.txt: every tensor of SDXL 1.0 in its true size: part, original name and shape,
  diffusers' name and shape (a name for each third of a fused projection).
- tiny.safetensors: a whole small model (tiny_configs.SINGLE_FILE) with the extra
  tensors of published files; UNet and VAE in 8-bit floats, the encoders in fp16.
- tiny_sdcpp.gguf: the encoders and the middle of the UNet as stable-diffusion.cpp converts them, in
  q8_0 and q4_0.
- tiny_city96.gguf, tiny_q8_0.gguf: the bare UNet as ComfyUI-GGUF's converter and llama-quantize leave it,
  in q4_0 and q8_0.
- identitynet, ip-adapter.safetensors: an IdentityNet and a face adapter for tiny.safetensors, in 8-bit
  floats.
- *.expected.txt: part, diffusers' name, shape and a sum over the bits of the f32 values.
- sdxl.configs.json, tiny.configs.json: the config.json of each part.

The original names are made here from diffusers' names; diffusers' own converters must reverse this.

    python tools/oracle/single_file.py [--out tests/goldens/weights]

Needs torch 2.13, diffusers 0.42, transformers 5, safetensors, gguf 0.19.
"""

import argparse
import json
import pathlib
import re

import gguf
import numpy as np
import tiny_checkpoint
import tiny_configs
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as judge
from gguf import GGMLQuantizationType as G
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP_L, CLIP_G = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."

SDXL = {
    "unet": {
        "in_channels": 4, "out_channels": 4, "sample_size": 128,
        "block_out_channels": [320, 640, 1280], "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048, "use_linear_projection": True,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "vae": {
        "latent_channels": 4, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
        "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
        "sample_size": 1024, "scaling_factor": 0.13025,
    },
    "text_encoder": {
        "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "hidden_act": "quick_gelu", "projection_dim": 768, "eos_token_id": 2,
    },
    "text_encoder_2": {
        "vocab_size": 49408, "hidden_size": 1280, "intermediate_size": 5120,
        "num_hidden_layers": 32, "num_attention_heads": 20, "hidden_act": "gelu",
        "projection_dim": 1280, "eos_token_id": 2,
    },
}  # fmt: skip


def replaced(name, *rules):
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def original_unet(name, layers):
    def inside(match):
        block, layer = int(match[1]), int(match[3])
        at = 1 + block * (layers + 1) + layer
        return f"input_blocks.{at}.{0 if match[2] == 'resnets' else 1}."

    def outside(match):
        block, layer = int(match[1]), int(match[3])
        return f"output_blocks.{block * (layers + 1) + layer}.{0 if match[2] == 'resnets' else 1}."

    name = replaced(
        name,
        (r"^conv_in\.", "input_blocks.0.0."), (r"^conv_norm_out\.", "out.0."), (r"^conv_out\.", "out.2."),
        (r"^time_embedding\.linear_1\.", "time_embed.0."), (r"^time_embedding\.linear_2\.", "time_embed.2."),
        (r"^add_embedding\.linear_1\.", "label_emb.0.0."), (r"^add_embedding\.linear_2\.", "label_emb.0.2."),
        (r"^down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", inside),
        (r"^down_blocks\.(\d+)\.downsamplers\.0\.conv\.",
         lambda m: f"input_blocks.{(int(m[1]) + 1) * (layers + 1)}.0.op."),
        (r"^mid_block\.resnets\.(\d)\.", lambda m: f"middle_block.{2 * int(m[1])}."),
        (r"^mid_block\.attentions\.0\.", "middle_block.1."),
        (r"^up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", outside),
    )  # fmt: skip
    if ".transformer_blocks." in name:
        return name
    return replaced(
        name, (r"\.norm1\.", ".in_layers.0."), (r"\.conv1\.", ".in_layers.2."),
        (r"\.time_emb_proj\.", ".emb_layers.1."), (r"\.norm2\.", ".out_layers.0."),
        (r"\.conv2\.", ".out_layers.3."), (r"\.conv_shortcut\.", ".skip_connection."),
    )  # fmt: skip


def unet_to_original(tensors, config):
    layers = config["layers_per_block"]
    attention = [kind == "CrossAttnUpBlock2D" for kind in config["up_block_types"]]
    result = {}
    for name, tensor in tensors.items():
        up = re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", name)
        if up:
            block = int(up[1])
            at = block * (layers + 1) + layers
            result[f"output_blocks.{at}.{2 if attention[block] else 1}.conv.{up[2]}"] = [(name, tensor)]
        else:
            result[original_unet(name, layers)] = [(name, tensor)]
    return result


def vae_to_original(tensors, levels):
    result = {}
    for name, tensor in tensors.items():
        original = replaced(
            name, (r"\.down_blocks\.(\d+)\.", r".down.\1."), (r"\.resnets\.(\d+)\.", r".block.\1."),
            (r"\.up_blocks\.(\d+)\.", lambda m: f".up.{levels - 1 - int(m[1])}."),
            (r"\.mid_block\.block\.(\d)\.", lambda m: f".mid.block_{int(m[1]) + 1}."),
            (r"\.mid_block\.attentions\.0\.group_norm\.", ".mid.attn_1.norm."),
            (r"\.mid_block\.attentions\.0\.to_([qkv])\.", r".mid.attn_1.\1."),
            (r"\.mid_block\.attentions\.0\.to_out\.0\.", ".mid.attn_1.proj_out."),
            (r"\.downsamplers\.0\.", ".downsample."), (r"\.upsamplers\.0\.", ".upsample."),
            (r"\.conv_norm_out\.", ".norm_out."), (r"\.conv_shortcut\.", ".nin_shortcut."),
        )  # fmt: skip
        result[original] = [(name, tensor)]
    return result


def hf_names(module):
    """transformers 5 omits the prefix in a model without a projection."""
    state = module.state_dict()
    return {n if n.startswith("text_") else f"text_model.{n}": t for n, t in state.items()}


def clip_to_original(tensors):
    return {name: [(name, tensor)] for name, tensor in tensors.items()}


def open_clip_to_original(tensors):
    result, fused = {}, {}
    for name, tensor in tensors.items():
        part = re.match(r"text_model\.encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(\w+)", name)
        if part:
            key = f"transformer.resblocks.{part[1]}.attn.in_proj_{part[3]}"
            fused.setdefault(key, []).append((name, tensor))
            continue
        original = replaced(
            name, (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
            (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
            (r"^text_model\.embeddings\.", ""), (r"^text_model\.final_layer_norm\.", "ln_final."),
            (r"^text_projection\.weight", "text_projection"),
            (r"\.layer_norm([12])\.", r".ln_\1."), (r"\.mlp\.fc1\.", ".mlp.c_fc."),
            (r"\.mlp\.fc2\.", ".mlp.c_proj."), (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
        )  # fmt: skip
        result[original] = [(name, tensor)]
    order = "qkv"
    for key, parts in fused.items():
        result[key] = sorted(parts, key=lambda p: order.index(re.search(r"\.([qkv])_proj", p[0])[1]))
    return result


def stored(part, original, pieces):
    """A file's tensor for one original name."""
    tensors = [tensor for _, tensor in pieces]
    tensor = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
    if part == "text_encoder_2" and original == "text_projection":
        return tensor.T.contiguous()
    if part == "vae" and re.search(r"attn_1\.(q|k|v|proj_out)\.weight", original):
        return tensor[:, :, None, None].contiguous()
    return tensor.contiguous()


def modules_of(configs):
    """The modules of the parts without values."""
    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel(**configs["unet"]),
            "vae": AutoencoderKL(**configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])),
        }


def states_of(modules):
    return {
        "unet": modules["unet"].state_dict(),
        "vae": modules["vae"].state_dict(),
        "text_encoder": hf_names(modules["text_encoder"]),
        "text_encoder_2": hf_names(modules["text_encoder_2"]),
    }


PREFIX = {"unet": UNET, "vae": VAE, "text_encoder": CLIP_L, "text_encoder_2": CLIP_G}


def originals(states, configs):
    """{part: {original name: [(diffusers' name, tensor)]}}"""
    return {
        "unet": unet_to_original(states["unet"], configs["unet"]),
        "vae": vae_to_original(states["vae"], len(configs["vae"]["block_out_channels"])),
        "text_encoder": clip_to_original(states["text_encoder"]),
        "text_encoder_2": open_clip_to_original(states["text_encoder_2"]),
    }


def check(states, checkpoint, configs, modules):
    """diffusers converts the names back to the original tensors."""
    back = {
        "unet": judge.convert_ldm_unet_checkpoint(checkpoint, configs["unet"]),
        "vae": judge.convert_ldm_vae_checkpoint(checkpoint, configs["vae"]),
        "text_encoder": judge.convert_ldm_clip_checkpoint(checkpoint),
        "text_encoder_2": judge.convert_open_clip_checkpoint(
            modules["text_encoder_2"], checkpoint, prefix=CLIP_G
        ),
    }
    for part, state in states.items():
        got = {name: t for name, t in back[part].items() if not name.endswith("position_ids")}
        assert set(got) == set(state), (part, set(got) ^ set(state))
        for name, tensor in state.items():
            assert got[name].shape == tensor.shape, (part, name)
            assert tensor.is_meta or torch.equal(got[name].float(), tensor.float()), (part, name)


def bits_sum(tensor):
    """The sum of every value's bits times an odd number that depends on its position."""
    bits = tensor.detach().to(torch.float32).contiguous().numpy().view(np.uint32).ravel()
    odd = 2 * np.arange(bits.size, dtype=np.uint64) + 1
    return int((bits.astype(np.uint64) * odd).sum(dtype=np.uint64))


def shape_text(tensor):
    return "[" + ",".join(map(str, tensor.shape)) + "]"


def expect(path, states):
    lines = [
        f"{part} {name} {shape_text(t)} {bits_sum(t)}"
        for part, state in states.items() for name, t in sorted(state.items())
    ]  # fmt: skip
    path.with_name(path.name + ".expected.txt").write_text("\n".join(lines) + "\n")


def write_configs(path, modules):
    configs = {}
    for part, module in modules.items():
        made = module.config.to_dict() if part.startswith("text") else dict(module.config)
        configs[part] = {key: value for key, value in made.items() if not key.startswith("_")}
    path.write_text(json.dumps(configs, indent=1, sort_keys=True, default=str) + "\n")


def sdxl_names(out):
    modules = modules_of(SDXL)
    states = states_of(modules)
    lines, checkpoint = [], {}
    for part, names in originals(states, SDXL).items():
        for original, pieces in names.items():
            tensor = stored(part, original, pieces)
            checkpoint[PREFIX[part] + original] = tensor
            for name, piece in pieces:
                lines.append(f"{part} {original} {shape_text(tensor)} {name} {shape_text(piece)}")
    check(states, checkpoint, SDXL, modules)
    (out / "sdxl_names.txt").write_text("\n".join(lines) + "\n")
    write_configs(out / "sdxl.configs.json", modules)


def tiny():
    """Modules with values that the file's types hold exactly."""
    config = tiny_configs.SINGLE_FILE
    made = tiny_checkpoint.build(config)
    modules = {part: made[part] for part in PREFIX}
    configs = {"unet": dict(modules["unet"].config), "vae": dict(modules["vae"].config)}
    states = states_of(modules)
    for part, state in states.items():
        dtype = torch.float16 if part.startswith("text") else torch.float8_e4m3fn
        states[part] = {name: tensor.detach().to(dtype) for name, tensor in state.items()}
    return made, modules, configs, states


def instantid_files(out, made):
    """IdentityNet and face adapter."""

    def small(tensors):
        return {name: tensor.detach().to(torch.float8_e4m3fn).contiguous() for name, tensor in tensors.items()}

    folder = out / "identitynet"
    made["identitynet"].save_config(folder)
    save_file(small(made["identitynet"].state_dict()), folder / "diffusion_pytorch_model.safetensors")
    adapter = {f"{part}.{name}": t for part, names in made["adapter"].items() for name, t in names.items()}
    save_file(small(adapter), out / "ip-adapter.safetensors")


def tiny_file(out, modules, configs, states):
    checkpoint = {
        PREFIX[part] + original: stored(part, original, [(n, t.float()) for n, t in pieces])
        for part, names in originals(states, configs).items() for original, pieces in names.items()
    }  # fmt: skip
    check(states, checkpoint, configs, modules)
    for name, tensor in checkpoint.items():
        dtype = torch.float8_e4m3fn if name.startswith((UNET, VAE)) else torch.float16
        checkpoint[name] = tensor.to(dtype)
    # Extra tensors of published and trained files.
    torch.manual_seed(0)
    checkpoint[CLIP_L + "text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
    checkpoint[CLIP_G + "logit_scale"] = torch.tensor(4.6)
    checkpoint["model_ema.decay"] = torch.tensor(0.999)
    checkpoint["model_ema.diffusion_modelout2bias"] = torch.zeros(4)
    checkpoint["denoiser.sigmas"] = torch.rand(10)
    checkpoint["alphas_cumprod"] = torch.rand(10)
    checkpoint["betas"] = torch.rand(10)
    metadata = {"modelspec.architecture": "stable-diffusion-xl-v1-base"}
    save_file(checkpoint, out / "tiny.safetensors", metadata=metadata)
    expect(out / "tiny.safetensors", states)
    write_configs(out / "tiny.configs.json", modules)


def quantised(tensor, dtype):
    data = gguf.quants.quantize(tensor.float().numpy(), dtype)
    return data, torch.from_numpy(gguf.quants.dequantize(data, dtype).copy())


def writer_of(path, architecture=None):
    writer = gguf.GGUFWriter(path, architecture or "none")
    if architecture is None:
        writer.kv_data[0].clear()
    return writer


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


SDCPP_PREFIX = {"unet": UNET, "text_encoder": "cond_stage_model.transformer.",
                "text_encoder_2": "cond_stage_model.1.transformer."}  # fmt: skip


def sdcpp_name(part, original):
    """stable-diffusion.cpp's name_conversion.cpp: encoders get transformers' names, fused."""
    if part != "text_encoder_2":
        return SDCPP_PREFIX[part] + original
    name = replaced(
        original, (r"^positional_embedding$", "embeddings.position_embedding.weight"),
        (r"^token_embedding", "embeddings.token_embedding"), (r"^ln_final", "final_layer_norm"),
        (r"^transformer\.resblocks\.", "encoder.layers."), (r"\.ln_([12])\.", r".layer_norm\1."),
        (r"\.mlp\.c_fc\.", ".mlp.fc1."), (r"\.mlp\.c_proj\.", ".mlp.fc2."),
        (r"\.attn\.in_proj_", ".self_attn.in_proj."), (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    )  # fmt: skip
    return SDCPP_PREFIX[part] + "text_model." + name


def sdcpp_type(name, tensor):
    """Which tensors it quantises: model_loader.cpp, tensor_should_be_converted()."""
    keeps = name.endswith(".bias") or tensor.dim() < 2 or tensor.shape[-1] % 32 != 0
    keeps = keeps or any(part in name for part in ("time_embed.", "label_emb.", "embedding"))
    if keeps:
        return None
    return G.Q8_0 if name.startswith("cond_stage_model.") else G.Q4_0


def tiny_sdcpp(out, configs, states):
    writer = writer_of(out / "tiny_sdcpp.gguf")
    expected = {part: {} for part in SDCPP_PREFIX}
    for part in SDCPP_PREFIX:
        for original, pieces in originals(states, configs)[part].items():
            if part == "unet" and not original.startswith("middle_block.1."):
                continue
            tensor = stored(part, original, [(n, t.float()) for n, t in pieces])
            name = sdcpp_name(part, original)
            dtype = sdcpp_type(name, tensor)
            if dtype is None:
                data, values = tensor.half().numpy(), tensor.half().float()
            else:
                data, values = quantised(tensor, dtype)
            if original.endswith((".proj_in.weight", ".proj_out.weight")):
                # Its linear layers here are 1x1 convolutions: [o,i,1,1], which is not quantised.
                data, values = tensor.half().numpy()[:, :, None, None], tensor.half().float()
                dtype = None
            writer.add_tensor(name, data, raw_dtype=dtype)
            if original == "text_projection":
                values = values.T
            for (hf, piece), value in zip(pieces, values.chunk(len(pieces))):
                expected[part][hf] = value.reshape(piece.shape)
    close(writer)
    expect(out / "tiny_sdcpp.gguf", expected)


def tiny_city96(path, wanted, configs, states):
    writer = writer_of(path, "sdxl")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    expected = {}
    for original, [(name, tensor)] in originals(states, configs)["unet"].items():
        tensor = tensor.float().contiguous()
        count = tensor.numel()
        rows = tensor
        if tensor.dim() > 1 and count >= 512 and count % 256 == 0 and tensor.shape[-1] % 256 != 0:
            rows = tensor.reshape(count // 256, 256)
            writer.add_array(f"comfy.gguf.orig_shape.{original}", list(tensor.shape))
        if tensor.dim() == 1 or count <= 1024:
            data, values, dtype = tensor.numpy(), tensor, None
        elif rows.shape[-1] % 32 == 0:
            dtype = wanted
            data, values = quantised(rows, dtype)
        else:
            data, values, dtype = tensor.half().numpy(), tensor.half().float(), None
        writer.add_tensor(original, data, raw_dtype=dtype)
        expected[name] = values.reshape(tensor.shape)
    close(writer)
    expect(path, {"unet": expected})


def write(out):
    out = out / "single_file"
    out.mkdir(parents=True, exist_ok=True)
    sdxl_names(out)
    made, modules, configs, states = tiny()
    instantid_files(out, made)
    tiny_file(out, modules, configs, states)
    tiny_sdcpp(out, configs, states)
    tiny_city96(out / "tiny_city96.gguf", G.Q4_0, configs, states)
    tiny_city96(out / "tiny_q8_0.gguf", G.Q8_0, configs, states)
    for path in out.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/goldens/weights")
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
