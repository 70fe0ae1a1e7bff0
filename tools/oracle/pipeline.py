#!/usr/bin/env python3
"""Makes the small checkpoints and their goldens from the published InstantID pipeline.

    python pipeline.py --pipeline pipeline_stable_diffusion_xl_instantid.py [--out DIR] [--only NAME]

--pipeline is diffusers' community file examples/community/pipeline_stable_diffusion_xl_instantid.py
(of huggingface/diffusers; it is not part of this repository). Needs torch, diffusers 0.42,
transformers 5, opencv and pillow. Everything runs in fp32 on the CPU, from the committed files:
16-bit weights are read back and widened. tests/goldens/pipeline/README.md describes the output.

--keep keeps the checkpoints and regenerates only the goldens.
--sensitivity writes nothing: it reverses one tensor after another and lists for each part the
tensors that hardly affect the plain picture. (Biases of keys, which the softmax cancels, and the
last layer of text encoder 1, which is not read, do not affect it at all.)
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pipeline_cases
import pipeline_extras
import pipeline_stages
import prompt_encodings
import published
import tiny_checkpoint
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_configs import CONFIGS

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "pipeline"


def make_identity(request: dict) -> dict:
    """A face in the format of `semblance face --save`: random embeddings of norm about 20, five keypoints."""
    draw = np.random.default_rng(request["seed"])
    embedding = draw.standard_normal(512).astype(np.float32)
    embedding *= np.float32(20) / np.linalg.norm(embedding)
    w, h = request.get("identity_size", request["size"])
    places = np.array([[0.33, 0.36], [0.67, 0.34], [0.52, 0.53], [0.37, 0.71], [0.66, 0.70]])
    keypoints = (places + draw.uniform(-0.04, 0.04, (5, 2))) * [w, h]
    box = np.array([0.15, 0.1, 0.85, 0.9]) * [w, h, w, h]
    others = [0.7 * embedding + draw.standard_normal(512).astype(np.float32) * np.float32(0.6)
              for _ in range(1, request.get("photos", 1))]  # fmt: skip
    return {
        "embedding": [float(x) for x in embedding],
        **({"other_embeddings": [[float(x) for x in np.float32(other)] for other in others]} if others else {}),
        "keypoints": [[float(x) for x in np.float32(point)] for point in keypoints],
        "image_size": [w, h],
        "score": 0.875,
        "box": [float(x) for x in np.float32(box)],
    }


def make_picture(request: dict) -> Image.Image | None:
    """The picture that a request with a strength starts from: smooth patches of random colours."""
    if "strength" not in request:
        return None
    patches = np.random.default_rng(request["seed"]).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(tuple(request["size"]), Image.Resampling.BICUBIC)


def make_mask(request: dict) -> Image.Image | None:
    """Which part of that picture is repainted, if the request has a mask: a soft ellipse and a bar."""
    if not request.get("mask"):
        return None
    w, h = request["size"]
    x, y = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
    inside = 1.5 - np.hypot((x - 0.45) / 0.35, (y - 0.4) / 0.3)
    inside[int(0.8 * h) : int(0.9 * h), int(0.1 * w) : int(0.7 * w)] = 1
    return Image.fromarray((255 * np.clip(inside, 0, 1)).astype(np.uint8))


def keypoints_on_picture(identity: dict, size: list[int]) -> np.ndarray:
    """The identity's keypoints in the picture's pixels: scaled to fit, centred, same aspect ratio."""
    w, h = identity["image_size"]
    scale = min(size[0] / w, size[1] / h)
    offset = np.array([(size[0] - scale * w) / 2, (size[1] - scale * h) / 2])
    return np.array(identity["keypoints"]) * scale + offset


def arguments(module, request: dict, identity: dict) -> dict:
    """The pipeline's arguments for a request."""
    w, h = request["size"]
    keypoints = keypoints_on_picture(identity, request["size"])
    photos = torch.tensor([identity["embedding"], *identity.get("other_embeddings", [])])
    return {
        "prompt": request["prompt"],
        "negative_prompt": request["negative"],
        "image_embeds": pipeline_extras.combined(photos, request.get("combine", "average")).numpy(),
        "image": Image.new("RGB", (w, h)) if request.get("no_keypoints") else module.draw_kps(Image.new("RGB", (w, h)), keypoints),
        "width": w,
        "height": h,
        "num_inference_steps": request["steps"],
        "guidance_scale": request["guidance"],
        "controlnet_conditioning_scale": request["identity_strength"],
        "control_guidance_start": request["identity_start"],
        "control_guidance_end": request["identity_end"],
    }


def run(pipe, module, request: dict, identity: dict, output_type: str):
    pipe.set_ip_adapter_scale(request["adapter_strength"])
    generator = torch.Generator("cpu").manual_seed(request["seed"])
    asked = arguments(module, request, identity)
    if "encoding" in request:
        asked |= encoded_prompts(pipe, request)
    with pipeline_extras.applied(pipe, request, make_picture(request), make_mask(request)):
        return pipe(**asked, generator=generator, output_type=output_type).images


def encoded_prompts(pipe, request: dict) -> dict:
    """In place of the prompts, what another encoding than the pipeline's own makes of them."""
    encode = prompt_encodings.ENCODINGS[request["encoding"]]
    conditioning, pooled = encode(pipe, request["negative"], request["prompt"])
    return {
        "prompt": None,
        "negative_prompt": None,
        "prompt_embeds": conditioning[1:],
        "negative_prompt_embeds": conditioning[:1],
        "pooled_prompt_embeds": pooled[1:],
        "negative_pooled_prompt_embeds": pooled[:1],
    }


def write_case(pipe, module, checkpoint: str, name: str, out: Path) -> None:
    request = pipeline_cases.case(checkpoint, name)
    identity = make_identity(request)
    latents = run(pipe, module, request, identity, "latent").numpy()
    picture = run(pipe, module, request, identity, "pil")[0]
    request.pop("identity_size", None)
    request["keypoints"] = keypoints_on_picture(identity, request["size"]).tolist()
    request |= {key: identity[key] for key in ("embedding", "other_embeddings") if key in identity}
    out.mkdir(parents=True, exist_ok=True)
    (out / "case.json").write_text(json.dumps(request, ensure_ascii=False, indent=1) + "\n")
    (out / "identity.json").write_text(json.dumps(identity) + "\n")
    np.save(out / "latents.npy", latents)
    picture.save(out / "picture.png")
    if initial := make_picture(request):
        initial.save(out / "initial.png")
    if mask := make_mask(request):
        mask.save(out / "mask.png")
    if request.get("inpainting_model"):
        undo = pipeline_extras.made_for_inpainting(pipe, request["seed"])
        np.save(out / "conv_in.npy", pipe.unet.conv_in.weight.detach().numpy())
        undo()
    pixels = np.asarray(picture)
    ends = np.mean((pixels == 0) | (pixels == 255))
    print(
        f"{checkpoint}/{name}: latent std {latents.std():.2f}, picture mean {pixels.mean():.0f}"
        f" std {pixels.std():.0f}, {ends:.1%} at an end"
    )


def check_weights(pipe, checkpoint: Path) -> None:
    """Fails unless the pipeline contains every tensor of the files with the same value."""
    from safetensors.torch import load_file

    parts = {checkpoint / "base" / p: getattr(pipe, p) for p in ("unet", "vae", "text_encoder", "text_encoder_2")}  # fmt: skip
    parts[checkpoint / "identitynet"] = pipe.controlnet
    for folder, module in parts.items():
        # The adapter's layers are inside the UNet's processors but come from a separate file.
        state = {k: v for k, v in module.state_dict().items() if "processor." not in k}
        left = set(state)
        for path in folder.glob("*.safetensors"):
            for name, tensor in load_file(path).items():
                if name.endswith("position_ids"):
                    continue
                name = name if name in state else name.removeprefix("text_model.")
                if not torch.equal(state[name], tensor.float()):
                    raise SystemExit(f"{path}: {name} was loaded with other values than the file's")
                left.discard(name)
        if left:
            raise SystemExit(f"{folder}: missing in the files: {sorted(left)[:5]}")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def sensitivity(pipe, module, checkpoint: str) -> None:
    """Reverses each tensor in turn; lists those that hardly affect the plain picture."""
    request = pipeline_cases.case(checkpoint, "plain")
    identity = make_identity(request)
    want = np.asarray(run(pipe, module, request, identity, "pil")[0])
    parts = {"unet": pipe.unet, "identitynet": pipe.controlnet, "text_encoder": pipe.text_encoder,
             "text_encoder_2": pipe.text_encoder_2, "vae": pipe.vae, "resampler": pipe.image_proj_model}  # fmt: skip
    for part, net in parts.items():
        found = []
        for name, tensor in net.named_parameters():
            if part == "vae" and ("encoder." in name.split("decoder.")[0] or name.startswith("quant_")):
                continue
            kept = tensor.detach().clone()
            with torch.no_grad():
                tensor.copy_(kept.flatten().flip(0).view_as(kept))
            got = np.asarray(run(pipe, module, request, identity, "pil")[0])
            with torch.no_grad():
                tensor.copy_(kept)
            found.append((psnr(got, want), name))
        found.sort(reverse=True)
        middle = found[len(found) // 2][0]
        print(f"{checkpoint} {part}: {len(found)} tensors, median {middle:.1f} dB; weakest:")
        for value, name in found[:6]:
            print(f"   {value:.1f} dB  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pipeline", type=Path, required=True, help="the community file")
    parser.add_argument("--out", type=Path, default=GOLDENS)
    parser.add_argument("--only", choices=CONFIGS, help="only this checkpoint")
    parser.add_argument("--keep", action="store_true", help="keep the existing checkpoints")
    parser.add_argument("--case", help="with --keep: only this case, no stages")
    parser.add_argument("--sensitivity", action="store_true", help="report, write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on it
    module = published.load_module(options.pipeline)
    for name, config in CONFIGS.items():
        if options.only not in (None, name):
            continue
        folder = options.out / name
        if not (options.keep or options.sensitivity):
            tiny_checkpoint.write(config, folder / "checkpoint")
        pipe = published.load_pipeline(module, folder / "checkpoint", config["variant"])
        check_weights(pipe, folder / "checkpoint")
        if options.sensitivity:
            sensitivity(pipe, module, name)
            continue
        for case in pipeline_cases.CASES[name]:
            if options.case in (None, case):
                write_case(pipe, module, name, case, folder / case)
        if options.case:
            continue
        request = pipeline_cases.case(name, "plain")
        identity = make_identity(request)
        asked = arguments(module, request, identity)
        tensors = pipeline_stages.make(pipe, asked, request)
        save_file(tensors, folder / "stages.safetensors", metadata={"case": "plain"})


if __name__ == "__main__":
    main()
