"""Makes the goldens of the samplers in src/sampling with diffusers' schedulers.

    python tools/oracle/sampling.py

Writes tests/goldens/sampling/schedules.json (timesteps and noise levels) and steps.json (latents for recorded outputs).
Needs torch, diffusers, scipy and torchsde. Deterministic; the last bits are those of a processor with AVX2.
sampling_noise.py makes the goldens of the noise.
"""

import argparse
import inspect
import json
import os
from pathlib import Path

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import numpy as np
import torch
import diffusers

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "sampling"
SDXL = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000, "prediction_type": "epsilon",
        "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading",
        "trained_betas": None, "use_karras_sigmas": False}
MULTISTEP = "DPMSolverMultistepScheduler"
SDE = {"algorithm_type": "sde-dpmsolver++"}
# Semblance's name: diffusers' class and the settings that the name implies.
SAMPLERS = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "dpmpp_2m": (MULTISTEP, {}),
    "dpmpp_3m": (MULTISTEP, {"solver_order": 3}),
    "dpmpp_2m_sde": (MULTISTEP, SDE),
    "dpmpp_3m_sde": (MULTISTEP, SDE | {"solver_order": 3}),
    "dpmpp_sde": ("DPMSolverSDEScheduler", {"noise_sampler_seed": 5}),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
KARRAS, EXPONENTIAL, BETA = ({f"use_{name}_sigmas": True} for name in ("karras", "exponential", "beta"))
V = {"prediction_type": "v_prediction"}
ZERO_SNR = V | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
STEPS = (1, 2, 4, 5, 20, 30)


def numbers(array):
    """float32 values as the shortest decimals that round-trip; -1 for infinity, which JSON lacks."""
    return [float(f"{x:.9g}") if x != np.inf else -1 for x in np.asarray(array, dtype=np.float32).reshape(-1)]


def generator(seed):
    return torch.Generator("cpu").manual_seed(seed)


def keys_of(name):
    return inspect.signature(getattr(diffusers, SAMPLERS[name][0]).__init__).parameters.keys()


def scheduler_of(name, config, steps):
    cls, fixed = SAMPLERS[name]
    scheduler = getattr(diffusers, cls).from_config(SDXL | config, **fixed)
    scheduler.set_timesteps(steps)
    return scheduler


def levels(scheduler):
    """The sigma of the model's input at each evaluation."""
    count = len(scheduler.timesteps)
    if not hasattr(scheduler, "sigmas"):
        alphas = scheduler.alphas_cumprod[scheduler.timesteps]
        return ((1 - alphas) / alphas) ** 0.5
    sigmas = scheduler.sigmas[:count].clone()
    if hasattr(scheduler, "sigmas_interpol"):
        sigmas[1::2] = scheduler.sigmas_interpol[1:count:2]
    elif isinstance(scheduler, diffusers.DPMSolverSDEScheduler):
        sigmas[1::2] = (scheduler.sigmas[0 : count - 1 : 2] * scheduler.sigmas[1:count:2]) ** 0.5
    return sigmas


def kept(array):
    """All values of a short array, some of a long one."""
    count = len(array)
    indices = list(range(count)) if count <= 64 else sorted({*range(0, count, 41), 1, 2, count - 3, count - 2, count - 1})
    return {"at": indices, "values": numbers([array[i] for i in indices])}


def schedule_row(name, config, steps):
    scheduler = scheduler_of(name, config, steps)
    return {"sampler": name, "config": config, "steps": steps, "count": len(scheduler.timesteps), "init": numbers([float(scheduler.init_noise_sigma)])[0],
            "timesteps": kept(scheduler.timesteps), "sigmas": kept(levels(scheduler))}


def schedules():
    """Tables of one sampler for each kind of schedule."""
    rows = []
    for name in ("euler", "heun", "kdpm2", "dpmpp_2m", "dpmpp_2s", "deis", "ddim", "pndm", "lcm"):
        keys = keys_of(name)
        configs = [{}]
        if "timestep_spacing" in keys and name not in ("heun", "deis", "lcm"):
            configs += [{"timestep_spacing": "trailing"}, {"timestep_spacing": "linspace"}]
        if "use_karras_sigmas" in keys:
            configs += [KARRAS, EXPONENTIAL, BETA]
        for config in configs:
            rows += [schedule_row(name, config, steps) for steps in STEPS if (name, steps) != ("pndm", 1)]
    rows += [schedule_row("euler", {"timestep_spacing": spacing}, 1000) for spacing in ("leading", "trailing", "linspace")]
    rows += [schedule_row("dpmpp_2m", {}, 998), schedule_row("ddim", {"steps_offset": 0}, 1000), schedule_row("dpmpp_2m", {"timestep_spacing": "trailing"}, 1000)]
    for name in ("euler", "euler_a", "dpmpp_2m", "unipc", "ddim", "lcm"):
        rows += [schedule_row(name, ZERO_SNR, steps) for steps in (5, 30)]
    rows += [schedule_row("euler", ZERO_SNR | {"timestep_spacing": "leading"}, 5)]
    rows += [schedule_row("dpmpp_sde", config, 5) for config in ({}, KARRAS)]
    odd = [
        KARRAS | {"sigma_min": 0.05, "sigma_max": 10},
        EXPONENTIAL | {"timestep_spacing": "trailing", "sigma_min": 0.05},
        BETA | {"sigma_max": 12},
        {"timestep_type": "continuous"} | V,
        {"timestep_type": "continuous"},
        {"num_train_timesteps": 77, "timestep_spacing": "trailing", "steps_offset": 0},
        {"num_train_timesteps": 1, "beta_schedule": "linear"},
    ]
    for config in odd:
        rows += [schedule_row("euler", config, steps) for steps in (1, 7, 49) if steps <= config.get("num_train_timesteps", 1000)]
    rows += [schedule_row(name, {"num_train_timesteps": 77, "timestep_spacing": "trailing"}, 49) for name in ("dpmpp_2m", "ddim")]
    # Files without any key: each class has its own defaults.
    for name in SAMPLERS:
        bare = {key: None for key in SDXL} | {"_class_name": SAMPLERS[name][0]}
        if name == "pndm":
            bare["skip_prk_steps"] = True
        rows.append(bare_row(name, bare))
    return rows


def bare_row(name, config):
    cls, fixed = SAMPLERS[name]
    scheduler = getattr(diffusers, cls).from_config({key: value for key, value in config.items() if value is not None}, **fixed)
    scheduler.set_timesteps(5)
    return {"sampler": name, "config": config, "steps": 5, "count": len(scheduler.timesteps), "init": numbers([float(scheduler.init_noise_sigma)])[0],
            "timesteps": kept(scheduler.timesteps), "sigmas": kept(levels(scheduler))}


class Recorder:
    """A noise sampler that records its results."""

    def __init__(self, inner):
        self.inner, self.noise = inner, []

    def __call__(self, *span):
        self.noise.append({"span": numbers([float(s) for s in span]), "values": numbers(self.inner(*span))})
        return torch.tensor(self.noise[-1]["values"]).reshape(1, 4, 1, 5)


def step_row(name, config, steps, eta=None, whole=True, skipped=0):
    """A run with random outputs. The first latent and the outputs are drawn with seed 7, the steps' noise with seed 3.

    With `skipped` steps the first latent is a picture with noise; it is noised again after the first evaluation, as for inpainting.
    """
    scheduler = scheduler_of(name, config, steps)
    row = {"sampler": name, "config": config, "steps": steps, "eta": eta or 0}
    stream = generator(7)
    latent = torch.randn(1, 4, 1, 5, generator=stream)
    if skipped:
        picture, noise, skipped = latent, torch.randn(1, 4, 1, 5, generator=stream), skipped * scheduler.order
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(skipped)
        row["skipped"] = skipped // scheduler.order
        latent = scheduler.add_noise(picture, noise, scheduler.timesteps[skipped : skipped + 1])
        row["first"] = numbers(latent)
    else:
        latent = latent * scheduler.init_noise_sigma
    arguments = {"return_dict": False}
    if "generator" in inspect.signature(scheduler.step).parameters:
        arguments["generator"] = generator(3)
    if "eta" in inspect.signature(scheduler.step).parameters:
        arguments["eta"] = eta or 0.0
    recorder = None
    if hasattr(scheduler, "noise_sampler"):
        from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

        positive = scheduler.sigmas[scheduler.sigmas > 0]
        recorder = Recorder(BrownianTreeNoiseSampler(latent, positive.min().item(), positive.max().item(), scheduler.noise_sampler_seed))
        scheduler.noise_sampler = recorder
    scaled, latents = [], []
    for t in scheduler.timesteps[skipped:]:
        scaled.append(numbers(scheduler.scale_model_input(latent, t)))
        output = torch.randn(1, 4, 1, 5, generator=stream)
        latent = scheduler.step(output, t, latent, **arguments)[0]
        latents.append(numbers(latent))
        # In the middle of a step, diffusers adds noise of the step's end.
        if skipped and len(latents) == 1 and name not in ("kdpm2", "dpmpp_sde"):
            row["noised"] = numbers(scheduler.add_noise(picture, noise, scheduler.timesteps[skipped + 1 : skipped + 2]))
    if recorder:
        row["noise"] = recorder.noise
    row |= {"evaluations": len(latents), "scaled": scaled[-1], "latents": latents if whole else latents[-1:]}
    return row


def steps():
    rows = []
    for name in SAMPLERS:
        keys = keys_of(name)
        configs = [{}, V]
        if "use_karras_sigmas" in keys:
            configs += [KARRAS]
        if "rescale_betas_zero_snr" in keys:
            configs += [ZERO_SNR]
        if name in ("euler", "heun", "lms", "dpmpp_2m", "dpmpp_2s", "deis", "unipc", "ddim", "lcm", "tcd"):
            configs += [{"prediction_type": "sample"}]
        if "final_sigmas_type" in keys:
            configs += [KARRAS | {"final_sigmas_type": "sigma_min"}]
        if name in ("ddim", "heun", "lcm"):
            configs += [{"clip_sample": True, "clip_sample_range": 2.0}]
        if name in ("ddim", "lcm", "pndm"):
            configs += [{"set_alpha_to_one": True, "timestep_spacing": "trailing"}]
        rows += [step_row(name, config, 6) for config in configs]
        # With 15 steps or more, multistep methods keep their full order to the end.
        rows += [step_row(name, config, 17, whole=False) for config in configs[:1] + ([KARRAS] if KARRAS in configs else [])]
        if name in ("dpmpp_2m", "dpmpp_3m"):
            rows += [step_row(name, {"final_sigmas_type": "sigma_min", "lower_order_final": False}, 6)]
            rows += [step_row(name, {"final_sigmas_type": "sigma_min", "euler_at_final": True}, 17, whole=False)]
        if name in ("deis", "unipc"):
            rows += [step_row(name, {"lower_order_final": False, "final_sigmas_type": "sigma_min"}, 6)]
    for name in SAMPLERS:
        if name == "lms":  # diffusers weighs slopes that it does not have
            continue
        configs = [{}] + ([KARRAS] if "use_karras_sigmas" in keys_of(name) else [])
        rows += [step_row(name, config, 7, skipped=skipped) for config in configs for skipped in (1, 2)]
    rows += [step_row("ddim", {}, 6, eta=1.0), step_row("ddim", V, 6, eta=0.5)]
    rows += [step_row("tcd", {}, 6, eta=0.3), step_row("tcd", V, 6, eta=1.0), step_row("tcd", ZERO_SNR, 6, eta=0.3)]
    return rows


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    diffusers.logging.set_verbosity_error()
    GOLDENS.mkdir(parents=True, exist_ok=True)
    for name, rows in (("schedules", schedules()), ("steps", steps())):
        text = '{"base":' + json.dumps(SDXL, separators=(",", ":")) + ',"rows":[\n'
        text += ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]}\n"
        (GOLDENS / f"{name}.json").write_text(text)
        print(name, len(rows), len(text))


if __name__ == "__main__":
    main()
