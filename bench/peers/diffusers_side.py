#!/usr/bin/env python3
"""The diffusers side of peers.py, in its own process: one guided step and one decode in f32.

IdentityNet and UNet are in memory together, as in the published pipeline; the VAE is loaded after they
are released. 16-bit files are widened tensor by tensor, so that loading adds nothing to the peak.
The adapter uses diffusers' own IPAdapterAttnProcessor2_0, which computes the same as the
published InstantID processor, fused. The last line printed is a JSON object.
"""

import argparse
import gc
import json
import time
import warnings
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0
from safetensors import safe_open
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")


def load(kind, folder: Path, dtype: torch.dtype = torch.float32):
    """A module from a folder's safetensors file or shards, every tensor converted to `dtype`."""
    with torch.device("meta"):
        module = kind.from_config(kind.load_config(folder))
    state = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                state[name] = file.get_tensor(name).to(dtype, copy=True)
    module.load_state_dict(state, assign=True)
    return module.eval()


def install_adapter(unet, checkpoint: Path, scale: float) -> None:
    (path,) = checkpoint.glob("ip-adapter.*")
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            layers = {n.removeprefix("ip_adapter."): file.get_tensor(n)
                      for n in file.keys() if n.startswith("ip_adapter.")}  # fmt: skip
            tokens = file.get_slice("image_proj.latents").get_shape()[1]
    else:
        parts = torch.load(path, mmap=True, weights_only=True)
        layers, tokens = parts["ip_adapter"], parts["image_proj"]["latents"].shape[1]
    processors = {}
    for i, name in enumerate(unet.attn_processors):
        if not name.endswith("attn2.processor"):
            processors[name] = AttnProcessor2_0()
            continue
        width, cross = layers[f"{i}.to_k_ip.weight"].shape
        made = IPAdapterAttnProcessor2_0(width, cross, num_tokens=(tokens,), scale=scale)
        for mine, theirs in ((made.to_k_ip[0], "to_k_ip"), (made.to_v_ip[0], "to_v_ip")):
            weight = layers[f"{i}.{theirs}.weight"].to(torch.float32, copy=True)
            mine.weight = torch.nn.Parameter(weight, requires_grad=False)
        processors[name] = made
    unet.set_attn_processor(processors)


def count_flop(modules) -> tuple[list[int], list]:
    """Hooks that count two operations per multiplication in every linear layer and convolution."""
    total = [0]

    def linear(module, _, result):
        total[0] += 2 * result.numel() * module.in_features

    def convolution(module, _, result):
        total[0] += 2 * result.numel() * module.weight[0].numel()

    hooks = []
    for net in modules:
        for module in net.modules():
            if isinstance(module, torch.nn.Linear):
                hooks.append(module.register_forward_hook(linear))
            elif isinstance(module, torch.nn.Conv2d):
                hooks.append(module.register_forward_hook(convolution))
    return total, hooks


def timed(work, repeats: int):
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, seconds


def matmul_flops() -> dict[str, float]:
    """The best rate of torch's f32 matrix product, by shape."""
    rates = {}
    for m, k, n in ((1024, 1280, 1280), (4096, 640, 640), (2048, 1280, 10240), (2048, 2048, 2048)):
        a, b = torch.randn(m, k), torch.randn(n, k)
        best, end = float("inf"), time.perf_counter() + 1.5
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.nn.functional.linear(a, b)
            best = min(best, time.perf_counter() - start)
        rates[f"{m}x{k}x{n}"] = 2 * m * k * n / best
    return rates


def guided_step(inputs, checkpoint: Path, repeats: int):
    # Before IdentityNet, because the adapter's file is mapped while it is read: so the step sets the peak.
    unet = load(UNet2DConditionModel, checkpoint / "base" / "unet")
    install_adapter(unet, checkpoint, inputs["adapter_strength"].item())
    identitynet = load(ControlNetModel, checkpoint / "identitynet")
    added = {"text_embeds": inputs["pooled"], "time_ids": inputs["time_ids"]}
    joined = torch.cat([inputs["text"], inputs["face_tokens"]], dim=1)
    timestep = inputs["timestep"][0]

    def work():
        both = torch.cat([inputs["latent"]] * 2)
        down, mid = identitynet(
            both, timestep, encoder_hidden_states=inputs["face_tokens"],
            controlnet_cond=torch.cat([inputs["keypoint_picture"]] * 2),
            conditioning_scale=inputs["identity_strength"].item(), added_cond_kwargs=added,
            return_dict=False,
        )  # fmt: skip
        return unet(
            both, timestep, encoder_hidden_states=joined, added_cond_kwargs=added,
            down_block_additional_residuals=down, mid_block_additional_residual=mid,
            return_dict=False,
        )[0]  # fmt: skip

    total, hooks = count_flop([identitynet, unet])
    _, first = timed(work, 1)
    for hook in hooks:
        hook.remove()
    noise, rest = timed(work, repeats)
    return noise, rest, first[0], total[0]


def decode(inputs, checkpoint: Path, repeats: int):
    vae = load(AutoencoderKL, checkpoint / "base" / "vae")
    latent = inputs["decode_latent"] / vae.config.scaling_factor
    return timed(lambda: vae.decode(latent, return_dict=False)[0], repeats)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--outputs", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    inputs = load_file(options.inputs)
    noise, step_seconds, first, flop = guided_step(inputs, options.checkpoint, options.repeats)
    gc.collect()
    picture, decode_seconds = decode(inputs, options.checkpoint, options.repeats)
    gc.collect()
    save_file({"noise": noise.contiguous(), "picture": picture.contiguous()}, options.outputs)
    print(
        json.dumps(
            {
                "step_seconds": step_seconds,
                "decode_seconds": decode_seconds,
                "first_step_seconds": first,
                "step_flop": flop,
                "matmul_flops": matmul_flops(),
            }
        )
    )


if __name__ == "__main__":
    main()
