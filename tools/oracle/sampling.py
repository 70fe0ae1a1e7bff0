"""Makes the goldens of src/sampling with torch's CPU generator and diffusers' EulerDiscreteScheduler.

    python tools/oracle/sampling.py

Writes tests/goldens/sampling/noise.json and euler.json. Needs torch and diffusers. Deterministic; the noise is that
of a processor with AVX2.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "sampling"
SEEDS = [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 42, 2**63 - 1, 2**64 - 1]
SIZES = [*range(1, 41), 47, 48, 49, 4 * 8 * 8, 4 * 9 * 13, 4 * 128 * 128]
# Consecutive calls on one generator: half of a pair is kept across larger calls.
SEQUENCE = [3, 20, 2, 1, 5, 16, 4 * 8 * 8, 15, 17, 1, 31, 7]
SDXL = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000, "prediction_type": "epsilon",
        "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading",
        "trained_betas": None, "use_karras_sigmas": False}


def fnv(array):
    """FNV-1a, 64 bits, of an array's bytes."""
    value = 0xCBF29CE484222325
    for byte in array.tobytes():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def numbers(array):
    """float32 values as the shortest decimals that round-trip."""
    return [float(f"{x:.9g}") for x in np.asarray(array, dtype=np.float32).reshape(-1)]


def generator(seed):
    return torch.Generator("cpu").manual_seed(seed)


def noise():
    rows = []
    for seed, size in itertools.product(SEEDS, SIZES):
        if size > 100 and seed not in (0, 42):
            continue
        values = torch.randn(size, generator=generator(seed)).numpy()
        row = {"seed": str(seed), "calls": [size], "hash": [fnv(values)]}
        if seed in (0, 2**63 - 1) and size in (1, 2, 15, 16, 17, 33, 256):
            row["values"] = [numbers(values)]
        rows.append(row)
    for seed in SEEDS:
        stream = generator(seed)
        values = [torch.randn(size, generator=stream).numpy() for size in SEQUENCE]
        rows.append({"seed": str(seed), "calls": SEQUENCE, "hash": [fnv(v) for v in values]})
    return rows


def kept_indices(count):
    return list(range(count)) if count <= 60 else sorted({*range(0, count, 41), 1, 2, count - 3, count - 2, count - 1})


def euler_case(config, steps, run):
    scheduler = EulerDiscreteScheduler.from_config(config)
    scheduler.set_timesteps(steps)
    row = {"config": config, "steps": steps, "count": len(scheduler.timesteps), "init_noise_sigma": numbers([float(scheduler.init_noise_sigma)])[0]}
    indices = kept_indices(len(scheduler.sigmas))
    row["indices"] = indices
    row["timesteps"] = numbers([scheduler.timesteps[i] for i in indices if i < row["count"]])
    row["sigmas"] = numbers([scheduler.sigmas[i] for i in indices])
    if run:
        stream = generator(7)
        latent = torch.randn(1, 4, 2, 4, generator=stream) * scheduler.init_noise_sigma
        row["latent"] = numbers(latent)
        row["run"] = []
        for t in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latent, t)
            uncond, cond = torch.randn(2, 1, 4, 2, 4, generator=stream).chunk(2)
            output = (uncond + 5.0 * (cond - uncond))[0]
            latent = scheduler.step(output, t, latent, return_dict=False)[0]
            row["run"].append({"uncond": numbers(uncond), "cond": numbers(cond), "scaled": numbers(scaled), "latent": numbers(latent)})
    return row


def euler():
    rows = []
    for spacing, prediction, steps in itertools.product(("leading", "trailing", "linspace"), ("epsilon", "v_prediction", "sample"), (1, 2, 5, 30, 50, 1000)):
        if prediction == "sample" and steps != 5:
            continue
        config = SDXL | {"timestep_spacing": spacing, "prediction_type": prediction}
        rows.append(euler_case(config, steps, run=steps in (2, 5)))
    odd = [
        {},  # diffusers' defaults for every key
        {"_class_name": "EulerAncestralDiscreteScheduler", "beta_schedule": "linear", "timestep_spacing": None, "steps_offset": None, "final_sigmas_type": "zero"},
        SDXL | {"use_karras_sigmas": True},
        SDXL | {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 10},
        SDXL | {"use_exponential_sigmas": True, "timestep_spacing": "trailing"},
        SDXL | {"final_sigmas_type": "sigma_min"},
        SDXL | {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
        SDXL | {"timestep_type": "continuous", "prediction_type": "v_prediction"},
        SDXL | {"timestep_type": "continuous", "prediction_type": "epsilon"},
        SDXL | {"num_train_timesteps": 77, "timestep_spacing": "trailing", "steps_offset": 0},
        SDXL | {"num_train_timesteps": 1, "beta_schedule": "linear"},
    ]
    for config in odd:
        config = {key: value for key, value in config.items() if value is not None or key == "trained_betas"}
        for steps in (1, 7, 30, 49):
            if steps <= config.get("num_train_timesteps", 1000):
                rows.append(euler_case(config, steps, run=steps == 7))
    return rows


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    GOLDENS.mkdir(parents=True, exist_ok=True)
    for name, rows in (("noise", noise()), ("euler", euler())):
        text = "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n"
        (GOLDENS / f"{name}.json").write_text(text)
        print(name, len(rows), len(text))


if __name__ == "__main__":
    main()
