"""Makes the goldens of the noise in src/sampling with torch's CPU generator, numpy, torchsde and randomgen.

    python tools/oracle/sampling_noise.py

Writes tests/goldens/sampling/noise.json (torch.randn on a CPU) and noise_sources.json (all else, and guidance
rescale). Needs torch, diffusers, torchsde and randomgen (PyPI). Deterministic; the last bits are those of a processor
with AVX2. Needs no GPU: the order of torch's numbers on a GPU is reproduced here from randomgen's Philox.
"""

import argparse
import itertools
import json
import math
import os
import warnings
from pathlib import Path

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import numpy as np
import torch

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens" / "sampling"
SEEDS = [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 42, 2**63 - 1, 2**64 - 1]
SIZES = [*range(1, 41), 47, 48, 49, 4 * 8 * 8, 4 * 9 * 13, 4 * 128 * 128]
# Consecutive calls on one generator: half of a pair is kept across larger calls.
SEQUENCE = [3, 20, 2, 1, 5, 16, 4 * 8 * 8, 15, 17, 1, 31, 7]


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


def philox(key, counter):
    """Philox4x32-10 of a 64-bit key and a 128-bit counter."""
    from randomgen import Philox

    return [int(word) for word in Philox(key=key, counter=(counter - 1) % 2**128, number=4, width=32).random_raw(4)]


def cuda_randn(seed, offset, size, most_threads):
    """ATen's distribution_nullary_kernel with curand_normal4. Returns the values and the new offset."""
    threads = min(most_threads, 256 * math.ceil(size / 256))
    calls = math.ceil(size / (4 * threads))
    values = np.zeros(size, np.float32)
    for call, thread in itertools.product(range(calls), range(threads)):
        places = [4 * threads * call + threads * j + thread for j in range(4)]
        if places[0] >= size:
            continue
        words = philox(seed, (thread << 64) | (offset // 4 + call))
        normals = []
        for a, b in (words[:2], words[2:]):
            radius = math.sqrt(-2 * math.log(a * 2.0**-32 + 2.0**-33))
            angle = 2 * math.pi * (b * 2.0**-32 + 2.0**-33)
            normals += [radius * math.sin(angle), radius * math.cos(angle)]
        for place, value in zip(places, normals):
            if place < size:
                values[place] = value
    return values, offset + 4 * calls


def cuda_rows():
    rows = []
    for seed, most_threads, sizes in ((0, 1 << 30, [20, 4, 300]), (42, 1 << 30, [16]), (2**63 + 5, 256, [20, 700, 2500, 17]), (2**32 + 1, 512, [1537])):
        offset, draws = 0, []
        for size in sizes:
            values, offset = cuda_randn(seed, offset, size, most_threads)
            at = list(range(size)) if size < 40 else sorted({*range(0, size, 97), 255, 256, 257, size - 1} & set(range(size)))
            draws.append({"size": size, "at": at, "values": numbers(values[at])})
        rows.append({"seed": str(seed), "threads": most_threads, "draws": draws})
    return rows


def philox_rows():
    keys = [0, 1, 0xFFFFFFFFFFFFFFFF, 0x299F31D0A4093822]
    counters = [0, 1, (7 << 64) | 3, 2**128 - 1, 0x0370734413198A2E85A308D3243F6A88]
    return [{"key": str(key), "counter": [counter >> 32 * i & 0xFFFFFFFF for i in range(4)], "words": philox(key, counter)} for key, counter in itertools.product(keys, counters)]


def seed_rows():
    rows = []
    for seed, spawn in itertools.product([0, 5, 2**32 - 1, 2**32 + 7, 2**64 - 1], [(), (0, 0), (1, 1), (5, 3), (2**24 - 3, 24), (2**40 + 9, 41)]):
        sequence = np.random.SeedSequence(seed, pool_size=24, spawn_key=spawn)
        rows.append({"seed": str(seed), "spawn": [str(key) for key in spawn], "state": int(sequence.generate_state(1)[0])})
    return rows


def tree_rows():
    from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

    rows = []
    for seed, least, largest in ((0, 0.0413137, 5.1344328), (2**63 - 1, 0.029167521, 14.6146469), (2**32, 0.5, 0.8)):
        steps = np.exp(np.linspace(math.log(largest), math.log(least), 7)).astype(np.float32)
        steps[0], steps[-1] = largest, least
        spans = [*itertools.pairwise(steps), (steps[1], steps[4]), (steps[4], steps[1]), (steps[0], steps[-1]), (np.float32(largest * 1.1), steps[3])]
        sampler = BrownianTreeNoiseSampler(torch.zeros(20), float(steps[-1]), float(steps[0]), seed)
        for a, b in spans:
            values = sampler(torch.tensor(a), torch.tensor(b))
            rows.append({"seed": str(seed), "least": float(steps[-1]), "largest": float(steps[0]), "span": numbers([a, b]), "values": numbers(values)})
    return rows


def front_end_rows():
    shape = (4, 3, 5)
    rows = []
    for seed, picture, delta in ((3, 0, 0), (3, 2, 0), (2**32 - 1, 1, 31337)):  # AUTOMATIC1111
        stream = generator(seed + picture)
        draws = [torch.randn(shape, generator=stream)]
        if delta:
            stream = generator(seed + picture + delta)
        draws += [torch.randn(shape, generator=stream) for _ in range(2)]
        rows.append({"style": "web_ui", "seed": str(seed), "picture": picture, "pictures": 3, "delta": delta, "draws": [numbers(d) for d in draws]})
    for seed, picture in ((3, 0), (3, 1), (2**63, 2)):  # ComfyUI on a CPU
        batch = (3, *shape)
        draws = [torch.randn(batch, generator=generator(seed))]
        stream = generator(seed + 1)
        draws += [torch.randn(batch, generator=stream) for _ in range(2)]
        rows.append({"style": "comfyui", "seed": str(seed), "picture": picture, "pictures": 3, "delta": 0, "draws": [numbers(d[picture]) for d in draws]})
    return rows


def mix_rows():
    """AUTOMATIC1111's variation seeds: spherical interpolation along the height."""
    rows = []
    for strength, same in ((0.3, False), (1.0, False), (0.3, True)):
        low = torch.randn(4, 3, 5, generator=generator(1))
        high = low * 1.01 if same else torch.randn(4, 3, 5, generator=generator(2))
        cosine = torch.nn.functional.cosine_similarity(low, high, dim=1)
        if cosine.mean() > 0.9995:
            mixed = strength * low + (1 - strength) * high
        else:
            angle = torch.acos(cosine)
            weights = [torch.sin(part * angle) / torch.sin(angle) for part in (1 - strength, strength)]
            mixed = weights[0][:, None] * low + weights[1][:, None] * high
        rows.append({"strength": strength, "low": numbers(low), "high": numbers(high), "mixed": numbers(mixed)})
    return rows


def rescale_rows():
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import rescale_noise_cfg

    rows = []
    for share, size in itertools.product((0.0, 0.7, 1.0), ((4, 3, 5), (4, 16, 8))):
        uncond, cond = torch.randn(2, 1, *size, generator=generator(9)).chunk(2)
        guided = uncond + 7.5 * (cond - uncond) + 0.25
        rescaled = rescale_noise_cfg(guided[0], cond[0], guidance_rescale=share)
        rows.append({"share": share, "cond": numbers(cond), "guided": numbers(guided), "rescaled": numbers(rescaled)})
    return rows


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    warnings.simplefilter("ignore")
    GOLDENS.mkdir(parents=True, exist_ok=True)
    parts = {"philox": philox_rows, "cuda": cuda_rows, "seeds": seed_rows, "tree": tree_rows, "front_ends": front_end_rows, "mix": mix_rows, "rescale": rescale_rows}
    rows = {"noise": "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in noise()) + "\n]\n"}
    text = [f'"{name}":[\n' + ",\n".join(json.dumps(row, separators=(",", ":")) for row in make()) + "\n]" for name, make in parts.items()]
    rows["noise_sources"] = "{" + ",\n".join(text) + "}\n"
    for name, text in rows.items():
        (GOLDENS / f"{name}.json").write_text(text)
        print(name, len(text))


if __name__ == "__main__":
    main()
