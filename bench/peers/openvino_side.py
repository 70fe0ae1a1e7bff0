#!/usr/bin/env python3
"""The OpenVINO side of peers.py, in its own process: one guided step and one decode.

    python openvino_side.py --convert --checkpoint DIR --inputs FILE --models DIR    once: 8 GB on the disk

IdentityNet and UNet are in memory together, the VAE after them, as in diffusers_side.py. Their weights are fp16 in the
files; --precision is the plugin's hint. The last line printed is a JSON object.
"""

import argparse
import gc
import json
import time
import warnings
from pathlib import Path

import openvino as ov
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")


class IdentityNet(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, latent, timestep, face, picture, strength, pooled, time_ids):
        down, mid = self.net(
            latent, timestep, encoder_hidden_states=face, controlnet_cond=picture,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids}, return_dict=False,
        )  # fmt: skip
        return *[each * strength for each in down], mid * strength


class UNet(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, latent, timestep, text, pooled, time_ids, *residuals):
        return self.net(
            latent, timestep, encoder_hidden_states=text,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
            down_block_additional_residuals=residuals[:-1], mid_block_additional_residual=residuals[-1],
            return_dict=False,
        )[0]  # fmt: skip


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent):
        return self.vae.decode(latent / self.vae.config.scaling_factor, return_dict=False)[0]


def both(value: torch.Tensor) -> torch.Tensor:
    return torch.cat([value] * 2)


def step_inputs(inputs: dict) -> tuple[tuple, tuple]:
    """IdentityNet's and the UNet's, without the residuals."""
    latent, timestep = both(inputs["latent"]), inputs["timestep"][0]
    added = inputs["pooled"], inputs["time_ids"]
    text = torch.cat([inputs["text"], inputs["face_tokens"]], dim=1)
    identity = (latent, timestep, inputs["face_tokens"], both(inputs["keypoint_picture"]),
                inputs["identity_strength"], *added)  # fmt: skip
    return identity, (latent, timestep, text, *added)


def halved(module: torch.nn.Module) -> torch.nn.Module:
    """With weights in fp16 that are widened where they are used, so that both copies fit in memory."""
    from openvino.frontend.pytorch import patch_model

    getattr(patch_model, "__make_16bit_traceable")(module.eval())
    return module


@torch.inference_mode()
def convert(inputs: dict, checkpoint: Path, models: Path) -> None:
    """Writes each model for inputs of these sizes; one is in memory at a time."""
    from diffusers_side import install_adapter, load

    models.mkdir(parents=True, exist_ok=True)

    def write(name: str, module: torch.nn.Module, example: tuple) -> None:
        converted = ov.convert_model(module.eval(), example_input=example,
                                     input=[list(each.shape) for each in example])  # fmt: skip
        ov.save_model(converted, models / f"{name}.xml", compress_to_fp16=True)
        print(f"{models / name}.xml", flush=True)

    identity, unet = step_inputs(inputs)
    net = IdentityNet(halved(load(ControlNetModel, checkpoint / "identitynet", torch.float16)))
    residuals = net(*identity)
    write("identitynet", net, identity)
    del net
    gc.collect()
    net = load(UNet2DConditionModel, checkpoint / "base" / "unet", torch.float16)
    install_adapter(net, checkpoint, inputs["adapter_strength"].item())
    write("unet", UNet(halved(net.half())), (*unet, *residuals))
    del net
    gc.collect()
    vae = load(AutoencoderKL, checkpoint / "base" / "vae")
    write("decoder", Decoder(vae), (inputs["decode_latent"],))


def compiled(models: Path, name: str, precision: str, threads: int):
    settings = {
        "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }  # fmt: skip
    return ov.Core().compile_model(models / f"{name}.xml", "CPU", settings)


def timed(work, repeats: int):
    """The first run prepares buffers and is not counted."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, seconds[1:]


def guided_step(inputs: dict, options):
    identitynet, unet = (
        compiled(options.models, name, options.precision, options.threads)
        for name in ("identitynet", "unet")
    )
    identity, rest = (
        [each.numpy() for each in values] for values in step_inputs(inputs)
    )

    def work():
        residuals = identitynet(identity)
        return unet([*rest, *(residuals[i] for i in range(len(residuals)))])[0]

    return timed(work, options.repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--convert", action="store_true")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="folder of the converted models")
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--outputs", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    options = parser.parse_args()
    inputs = load_file(options.inputs)
    if options.convert:
        convert(inputs, options.checkpoint, options.models)
        return
    noise, step_seconds = guided_step(inputs, options)
    gc.collect()
    decoder = compiled(options.models, "decoder", options.precision, options.threads)
    latent = [inputs["decode_latent"].numpy()]
    picture, decode_seconds = timed(lambda: decoder(latent)[0], options.repeats)
    outputs = {"noise": noise, "picture": picture}
    save_file({name: torch.from_numpy(value.copy()) for name, value in outputs.items()}, options.outputs)
    print(json.dumps({"step_seconds": step_seconds, "decode_seconds": decode_seconds}))


if __name__ == "__main__":
    main()
