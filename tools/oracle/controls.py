#!/usr/bin/env python3
"""Makes small ControlNets for a small checkpoint, and pictures with them beside IdentityNet.

    python controls.py --pipeline pipeline_stable_diffusion_xl_instantid.py [--out DIR] [--keep]

--pipeline as for pipeline.py. IdentityNet reads the face tokens, as there. The others read the text, as in InstantID's
pipeline_stable_diffusion_xl_instantid_full.py: diffusers' MultiControlNetModel computes ControlNets, its
ControlNetUnionModel Union nets; all residuals are summed. `control_nets/` in the checkpoint's folder gets the nets, in 8-bit
floats: `edges` and `union` as diffusers folders, `depth.safetensors` with the original names, which diffusers'
converter reverses. --keep keeps them.
"""

import argparse
import contextlib
import json
from pathlib import Path

import cv2
import numpy as np
import pipeline
import pipeline_cases
import published
import tiny_checkpoint
import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from PIL import Image
from safetensors.torch import save_file
from single_file import original_unet, replaced
from tiny_configs import CONFIGS

CHECKPOINT = "fp16_published"
TYPES = ["pose", "depth", "scribble", "canny", "normal", "segment", "tile", "repaint"]
EIGHT_BITS = torch.float8_e4m3fn

# model: in control_nets/; image: [w, h] of the picture, which is resized.
CASES = {
    "control_two": {
        "steps": 5, "seed": 51, "size": [72, 104],
        "controls": [{"model": "edges", "image": [150, 100], "strength": 0.7, "end": 0.6, "prepare": "canny"},
                     {"model": "depth.safetensors", "image": [72, 104], "strength": 1.1, "start": 0.2}],
    },
    "control_alone": {
        "steps": 3, "seed": 52, "size": [88, 64], "guidance": 1.0, "identity_strength": 0.0, "adapter_strength": 0.5,
        "controls": [{"model": "edges", "image": [88, 64], "strength": 1.0}],
    },
    "control_union": {
        "steps": 4, "seed": 53, "size": [64, 72], "identity_end": 0.5,
        "controls": [{"model": "union", "image": [64, 72], "strength": 0.8, "type": "pose"},
                     {"model": "union", "image": [90, 90], "strength": 0.6, "start": 0.25, "type": "tile"}],
    },
    "control_extras": {
        "steps": 5, "seed": 54, "size": [72, 64], "reuse": 2, "freeu": True, "identity_start": 0.3,
        "controls": [{"model": "edges", "image": [72, 64], "strength": 0.9, "end": 0.7}],
    },
}  # fmt: skip


def filled(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """With random values that fit in 8 bits."""
    gains = {"controlnet_down_blocks": 0.8, "controlnet_mid_block": 0.8, "controlnet_cond_embedding.conv_out": 3.0}
    tiny_checkpoint.fill(module, torch.Generator().manual_seed(seed), gains)
    state = module.state_dict()
    module.load_state_dict({name: tensor.to(EIGHT_BITS).float() for name, tensor in state.items()})
    return module


def make_nets(unet) -> dict[str, torch.nn.Module]:
    small = {"conditioning_embedding_out_channels": [8, 16, 24, 32]}
    of_unet = {key: value for key, value in ControlNetModel.from_unet(unet, load_weights_from_unet=False, **small).config.items()
               if not key.startswith("_")}  # fmt: skip
    of_union = {key: value for key, value in of_unet.items() if key != "mid_block_type"}
    channels = unet.config.block_out_channels[0]
    union = {"num_control_type": 8, "num_trans_channel": channels, "num_trans_head": 4, "num_trans_layer": 2,
             "num_proj_channel": channels}  # fmt: skip
    return {
        "edges": filled(ControlNetModel(**of_unet), 61),
        "depth.safetensors": filled(ControlNetModel(**of_unet), 62),
        "union": filled(ControlNetUnionModel(**of_union, **union), 63),
    }


def original_name(name: str, layers: int) -> str:
    return "control_model." + replaced(
        original_unet(name, layers),
        (r"^controlnet_cond_embedding\.conv_in\.", "input_hint_block.0."),
        (r"^controlnet_cond_embedding\.blocks\.(\d)\.", lambda m: f"input_hint_block.{2 * int(m[1]) + 2}."),
        (r"^controlnet_cond_embedding\.conv_out\.", "input_hint_block.14."),
        (r"^controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0."),
        (r"^controlnet_mid_block\.", "middle_block_out.0."),
    )  # fmt: skip


def write_nets(nets: dict[str, torch.nn.Module], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, net in nets.items():
        state = net.state_dict()
        tensors = {key: tensor.to(EIGHT_BITS).contiguous() for key, tensor in state.items()}
        if name.endswith(".safetensors"):
            layers = net.config.layers_per_block
            tensors = {original_name(key, layers): tensor for key, tensor in tensors.items()}
            again = convert_controlnet_checkpoint(dict(tensors), {"layers_per_block": layers})
            # diffusers has no names for a ControlNet's add_embedding.
            assert {key for key in state if not key.startswith("add_embedding.")} == set(again)
            assert all(torch.equal(again[key].float(), state[key]) for key in again)
            save_file(tensors, out / name)
            (out / name).chmod(0o644)
            continue
        net.save_config(out / name)
        save_file(tensors, out / name / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
        (out / name / "diffusion_pytorch_model.safetensors").chmod(0o644)


def control_picture(seed: int, size: list[int]) -> Image.Image:
    """Discs and stripes, so that edges are few and a shift changes them."""
    draw = np.random.default_rng(seed)
    w, h = size
    canvas = np.full((h, w, 3), draw.integers(0, 256, 3), dtype=np.uint8)
    for _ in range(6):
        colour = tuple(int(value) for value in draw.integers(0, 256, 3))
        centre = (int(draw.integers(0, w)), int(draw.integers(0, h)))
        cv2.circle(canvas, centre, int(draw.integers(4, max(5, min(w, h) // 3))), colour, -1)
    return Image.fromarray(canvas)


def prepared(control: dict, picture: Image.Image, size: list[int]) -> Image.Image:
    if picture.size != tuple(size):
        picture = picture.resize(tuple(size), Image.Resampling.LANCZOS)
    if control.get("prepare") == "canny":
        edges = cv2.Canny(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR), 100, 200)
        picture = Image.fromarray(edges, "L")
    return picture


def residuals_of(net, control: dict, scale: float, condition: torch.Tensor, given: dict):
    if isinstance(net, ControlNetUnionModel):
        index = TYPES.index(control["type"])
        flags = torch.zeros(given["sample"].shape[0], net.config.num_control_type)
        flags[:, index] = 1
        return net(**given, controlnet_cond=[condition], control_type=flags, control_type_idx=[index],
                   conditioning_scale=[scale], return_dict=False)  # fmt: skip
    return MultiControlNetModel([net])(**given, controlnet_cond=[condition], conditioning_scale=[scale], return_dict=False)


@contextlib.contextmanager
def beside_identitynet(pipe, nets: dict, request: dict, pictures: list[Image.Image]):
    """The pipeline with other ControlNets, which read the text."""
    forward, encode, steps, step, text = pipe.controlnet.forward, pipe.encode_prompt, request["steps"], 0, None
    w, h = request["size"]
    conditions = [pipe.control_image_processor.preprocess(prepared(control, picture, [w, h]), height=h, width=w)
                  for control, picture in zip(request["controls"], pictures)]  # fmt: skip

    def encoded(*given, **named):
        nonlocal text
        made = encode(*given, **named)
        text = torch.cat([made[1], made[0]]) if request["guidance"] > 1 else made[0]
        return made

    def summed(sample, timestep, **named):
        nonlocal step
        down, mid = forward(sample, timestep, **named)
        given = {"sample": sample, "timestep": timestep, "encoder_hidden_states": text,
                 "added_cond_kwargs": named["added_cond_kwargs"]}  # fmt: skip
        for control, condition in zip(request["controls"], conditions):
            start, end = control.get("start", 0.0), control.get("end", 1.0)
            if step / steps < start or (step + 1) / steps > end:
                continue
            condition = condition.expand(sample.shape[0], -1, -1, -1)
            more, last = residuals_of(nets[control["model"]], control, control["strength"], condition, given)
            down = [a + b for a, b in zip(down, more)]
            mid = mid + last
        step += 1
        return down, mid

    pipe.encode_prompt, pipe.controlnet.forward = encoded, summed
    try:
        yield
    finally:
        pipe.encode_prompt, pipe.controlnet.forward = encode, forward


def text_of(control: dict, image: str) -> str:
    """As --control takes it."""
    keys = [("model", f"../control_nets/{control['model']}"), ("image", image)]
    keys += [(key, control[key]) for key in ("strength", "start", "end", "prepare", "type") if key in control]
    return ",".join(f"{key}={value}" for key, value in keys)


def shifted(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.roll(np.asarray(picture), 10, axis=1))


def write_case(pipe, module, nets, name: str, out: Path) -> None:
    request = pipeline_cases.PLAIN | {"checkpoint": CHECKPOINT} | CASES[name]
    identity = pipeline.make_identity(request)
    pictures = [control_picture(request["seed"] + i, control["image"]) for i, control in enumerate(request["controls"])]
    with beside_identitynet(pipe, nets, request, pictures):
        latents = pipeline.run(pipe, module, request, identity, "latent").numpy()
    with beside_identitynet(pipe, nets, request, pictures):
        picture = pipeline.run(pipe, module, request, identity, "pil")[0]
    with beside_identitynet(pipe, nets, request, [shifted(each) for each in pictures]):
        moved = pipeline.run(pipe, module, request, identity, "latent").numpy()
    change = np.linalg.norm(moved - latents) / np.linalg.norm(latents)
    print(f"{name}: latent std {latents.std():.2f}, changed {change:.0%} by pictures shifted by 10 pixels")
    assert change > 0.1, change
    out.mkdir(parents=True, exist_ok=True)
    request["controls"] = [text_of(control, f"control_{i + 1}.png") for i, control in enumerate(request["controls"])]
    request["keypoints"] = pipeline.keypoints_on_picture(identity, request["size"]).tolist()
    request["embedding"] = identity["embedding"]
    (out / "case.json").write_text(json.dumps(request, ensure_ascii=False, indent=1) + "\n")
    (out / "identity.json").write_text(json.dumps(identity) + "\n")
    np.save(out / "latents.npy", latents)
    picture.save(out / "picture.png")
    for i, each in enumerate(pictures):
        each.save(out / f"control_{i + 1}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pipeline", type=Path, required=True, help="the community file")
    parser.add_argument("--out", type=Path, default=pipeline.GOLDENS)
    parser.add_argument("--case", choices=CASES, help="only this case")
    parser.add_argument("--keep", action="store_true", help="keep the nets' files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    module = published.load_module(options.pipeline)
    folder = options.out / CHECKPOINT
    pipe = published.load_pipeline(module, folder / "checkpoint", CONFIGS[CHECKPOINT]["variant"])
    nets = make_nets(pipe.unet)
    if not options.keep:
        write_nets(nets, folder / "control_nets")
    for name in CASES:
        if options.case in (None, name):
            write_case(pipe, module, nets, name, folder / name)


if __name__ == "__main__":
    main()
