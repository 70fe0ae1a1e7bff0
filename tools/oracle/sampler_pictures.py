#!/usr/bin/env python3
"""Makes the goldens of pictures with each sampler, from the published InstantID pipeline.

    python sampler_pictures.py --pipeline pipeline_stable_diffusion_xl_instantid.py [--out DIR] [--case NAME]

Reads the small checkpoints made by pipeline.py and writes sampler_pictures.safetensors beside them:
for each case `<case>.latent` f32 [4,8,8] and `<case>.picture` u8 [64,64,3], and as metadata "cases",
a JSON list of {"name", "checkpoint", "settings"} with Semblance's settings. The request and the face
are those of fp16_published/no_negative, at 64 x 64 and with 4 steps, where `settings` has no others.

A case of LCM_UNETS gives the UNet a projection of the guidance scale, as distilled LCM models have it;
its weight is in `<case>.cond_proj`, f16 [channels, 32].

The published pipeline has no guidance_rescale; here the scheduler gets diffusers' rescale_noise_cfg
of the UNet's prediction, as in its SDXL pipelines. Needs what pipeline.py needs, and torchsde.
"""

import argparse
import json
import os
from pathlib import Path

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"  # the last bits of torch's noise depend on it
import diffusers
import numpy as np
import pipeline
import pipeline_cases
import published
import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import rescale_noise_cfg
from safetensors.torch import load_file, save_file
from sampling import SAMPLERS
from tiny_configs import CONFIGS

KARRAS = {"use_karras_sigmas": True}
ZERO_SNR = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
V = {"prediction": "v", "zero_snr": True, "spacing": "trailing"}

# name: checkpoint, settings beside the scheduler, diffusers' config
CASES = {name: ("fp16_published", {"scheduler": name}, {}) for name in SAMPLERS} | {
    # With 4 steps no step has order 3.
    "dpmpp_3m": ("fp16_published", {"scheduler": "dpmpp_3m", "steps": 6}, {}),
    "dpmpp_3m_sde": ("fp16_published", {"scheduler": "dpmpp_3m_sde", "steps": 6}, {}),
    "dpmpp_2m_6": ("fp16_published", {"scheduler": "dpmpp_2m", "steps": 6}, {}),
    "dpmpp_2m_sde_6": ("fp16_published", {"scheduler": "dpmpp_2m_sde", "steps": 6}, {}),
    "pndm": ("fp16_published", {"scheduler": "pndm"}, {"skip_prk_steps": True}),  # as in SDXL's file
    "euler_karras": ("fp16_published", {"scheduler": "euler", "sigmas": "karras"}, KARRAS),
    "dpmpp_2m_karras": ("fp16_published", {"scheduler": "dpmpp_2m", "sigmas": "karras"}, KARRAS),
    "dpmpp_sde_karras": ("fp16_published", {"scheduler": "dpmpp_sde", "sigmas": "karras"}, KARRAS),
    "ddim_eta": ("fp16_published", {"scheduler": "ddim", "eta": 0.5}, {}),
    "tcd_eta": ("fp16_published", {"scheduler": "tcd", "eta": 0.3}, {}),
    "euler_rescaled": ("fp16_published", {"scheduler": "euler", "guidance_rescale": 0.7}, {}),
    "euler_zero_snr": ("fp32_convolutions", {"scheduler": "euler"} | V, ZERO_SNR),
    "euler_a_zero_snr": ("fp32_convolutions", {"scheduler": "euler_a"} | V, ZERO_SNR),
    "ddim_zero_snr_rescaled": ("fp32_convolutions", {"scheduler": "ddim", "guidance_rescale": 0.7} | V, ZERO_SNR),
    "unipc_zero_snr": ("fp32_convolutions", {"scheduler": "unipc"} | V, ZERO_SNR),
    "dpmpp_2m_window": ("fp16_published", {"scheduler": "dpmpp_2m", "identity_start": 0.3, "identity_end": 0.8}, {}),
    "lcm_unet": ("fp16_published", {"scheduler": "lcm", "guidance": 6.0}, {}),
    "lcm_unet_plain": ("fp16_published", {"scheduler": "lcm", "guidance": 1.0}, {}),
    "heun_window": ("fp16_published", {"scheduler": "heun", "identity_start": 0.3, "identity_end": 0.8}, {}),
}
LCM_UNETS = ("lcm_unet", "lcm_unet_plain")
GUIDANCE_CHANNELS = 32


def scheduler_of(config, settings: dict, changes: dict, seed: int):
    cls, fixed = SAMPLERS[settings["scheduler"]]
    if "noise_sampler_seed" in fixed:
        fixed = {"noise_sampler_seed": seed}
    return getattr(diffusers, cls).from_config(dict(config) | changes, **fixed)


def rescale(pipe, share: float):
    """Makes the scheduler step with rescaled guidance; returns a function that undoes it."""
    seen = {}
    hook = pipe.unet.register_forward_hook(lambda module, given, output: seen.update(noise=output[0]))
    step = pipe.scheduler.step

    def rescaled(guided, *arguments, **others):
        cond = seen["noise"].chunk(2)[1]
        return step(rescale_noise_cfg(guided, cond, guidance_rescale=share), *arguments, **others)

    pipe.scheduler.step = rescaled
    return hook.remove


def take_guidance(unet, seed: int) -> torch.Tensor:
    """Makes the guidance scale an input of the UNet. Returns the projection's weight."""
    channels = unet.config.block_out_channels[0]
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(channels, GUIDANCE_CHANNELS, generator=generator).half()
    unet.time_embedding.cond_proj = torch.nn.Linear(GUIDANCE_CHANNELS, channels, bias=False)
    unet.time_embedding.cond_proj.weight.data = weight.float()
    unet.register_to_config(time_cond_proj_dim=GUIDANCE_CHANNELS)
    return weight


def take_no_guidance(unet) -> None:
    unet.time_embedding.cond_proj = None
    unet.register_to_config(time_cond_proj_dim=None)


def make(pipe, module, name: str, config) -> dict[str, torch.Tensor]:
    _, settings, changes = CASES[name]
    request = pipeline_cases.case("fp16_published", "no_negative") | {"size": [64, 64]}
    identity = pipeline.make_identity(request)
    request |= {"steps": 4} | {key: settings[key] for key in ("steps", "guidance", "identity_start", "identity_end") if key in settings}

    def run(output_type):
        pipe.scheduler = scheduler_of(config, settings, changes, request["seed"])
        undo = rescale(pipe, settings["guidance_rescale"]) if "guidance_rescale" in settings else lambda: None
        pipe.set_ip_adapter_scale(request["adapter_strength"])
        given = pipeline.arguments(module, request, identity)
        generator = torch.Generator("cpu").manual_seed(request["seed"])
        images = pipe(**given, generator=generator, eta=settings.get("eta", 0.0), output_type=output_type).images
        undo()
        return images

    extra = {}
    if name in LCM_UNETS:
        extra[f"{name}.cond_proj"] = take_guidance(pipe.unet, request["seed"])
    latent = run("latent")[0]
    pixels = np.asarray(run("pil")[0])
    if extra:
        take_no_guidance(pipe.unet)
    print(f"{name}: latent std {latent.std():.2f}, picture mean {pixels.mean():.0f} std {pixels.std():.0f}")
    return extra | {f"{name}.latent": latent.contiguous(), f"{name}.picture": torch.from_numpy(pixels.copy())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pipeline", type=Path, required=True, help="the community file")
    parser.add_argument("--out", type=Path, default=pipeline.GOLDENS)
    parser.add_argument("--case", choices=CASES, help="only this case; the others stay")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on it
    diffusers.logging.set_verbosity_error()
    module = published.load_module(options.pipeline)
    path = options.out / "sampler_pictures.safetensors"
    tensors = load_file(path) if options.case else {}
    for checkpoint in sorted({case[0] for case in CASES.values()}):
        folder = pipeline.GOLDENS / checkpoint / "checkpoint"
        pipe = published.load_pipeline(module, folder, CONFIGS[checkpoint]["variant"])
        config = pipe.scheduler.config
        for name in [name for name, case in CASES.items() if case[0] == checkpoint and options.case in (None, name)]:
            tensors |= make(pipe, module, name, config)
    cases = [{"name": name, "checkpoint": case[0], "settings": case[1]} for name, case in CASES.items()]
    save_file(tensors, path, metadata={"cases": json.dumps(cases)})


if __name__ == "__main__":
    main()
