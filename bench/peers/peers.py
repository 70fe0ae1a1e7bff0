#!/usr/bin/env python3
"""Times one guided step and one decode of diffusers and of Semblance, in one run on the same inputs.

    python peers.py --checkpoint DIR --ours "build/release/bench/step --checkpoint {checkpoint}
        --inputs {inputs} --outputs {outputs} --threads {threads} --repeats {repeats}"
        [--size 512x512] [--threads N] [--repeats 3] [--json FILE]

DIR contains base/, identitynet/ and ip-adapter.* (tools/synthetic/make_checkpoint.py writes a full-size
one). The sides run one after the other, in f32, each in its own process; diffusers uses its own fused
attention processors. Both read the inputs file and write an outputs file; README.md describes the files
and the output that --ours must print. The table gives medians, ratio, peak resident size, the share of
the machine's matrix-product peak (the best product of either side), and the outputs' difference: max|a-b| / max|b|.
Full-size diffusers takes about 16 GB.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

KIB = 1024
FAILED = 1


def peak_rss(pid: str | int = "self") -> int:
    """The process's peak resident bytes; 0 if it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    except OSError:
        pass
    return 0


def run_watched(command: list[str], threads: int) -> tuple[str, int]:
    """Runs a command; returns its stdout and its peak resident size, sampled from outside."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peak, done = 0, threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, peak_rss(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} exited with code {process.returncode}")
    return output, peak


def last_json(text: str) -> dict:
    """The last line that is a JSON object."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit("the --ours command printed no JSON line with its timings")


def median(seconds) -> float:
    return statistics.median(seconds) if isinstance(seconds, list) else float(seconds)


def make_inputs(checkpoint: Path, size: tuple[int, int], path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    def config(folder):
        return json.loads((checkpoint / folder / "config.json").read_text())

    unet, encoder_2 = config("base/unet"), config("base/text_encoder_2")
    w, h = size
    draw = torch.Generator().manual_seed(5)

    def normal(*shape):
        return torch.randn(shape, generator=draw)

    save_file(
        {
            "latent": normal(1, unet.get("in_channels", 4), h // 8, w // 8),
            "timestep": torch.tensor([501.0]),
            "text": normal(2, 77, unet["cross_attention_dim"]),
            "pooled": normal(2, encoder_2["projection_dim"]),
            "time_ids": torch.tensor([[h, w, 0, 0, h, w]] * 2, dtype=torch.float32),
            "face_tokens": normal(2, face_tokens(checkpoint), unet["cross_attention_dim"]),
            "keypoint_picture": torch.rand((1, 3, h, w), generator=draw),
            "identity_strength": torch.tensor([0.8]),
            "adapter_strength": torch.tensor([0.8]),
            "decode_latent": normal(1, 4, h // 8, w // 8),
        },
        path,
    )


def face_tokens(checkpoint: Path) -> int:
    """The number of the adapter's face tokens; reads only that tensor."""
    import torch
    from safetensors import safe_open

    (adapter,) = checkpoint.glob("ip-adapter.*")
    if adapter.suffix == ".safetensors":
        with safe_open(adapter, "pt") as file:
            return file.get_slice("image_proj.latents").get_shape()[1]
    return torch.load(adapter, mmap=True, weights_only=True)["image_proj"]["latents"].shape[1]


def relative_error(ours: Path, theirs: Path) -> dict[str, float]:
    from safetensors.torch import load_file

    a, b = load_file(ours), load_file(theirs)
    missing = sorted(set(b) - set(a))
    if missing:
        raise SystemExit(f"missing in the outputs of --ours: {', '.join(missing)}")
    wrong = [n for n in b if a[n].shape != b[n].shape]
    if wrong:
        n = wrong[0]
        raise SystemExit(f"expected {n} of shape {list(b[n].shape)}, got {list(a[n].shape)}")
    # A NaN must not pass: max() keeps it, and the comparison with the tolerance fails.
    return {n: float((a[n] - b[n]).abs().max() / b[n].abs().max()) for n in b}


def table(theirs: dict, ours: dict, errors: dict[str, float], options) -> dict:
    rows = {}
    for part, output in (("step", "noise"), ("decode", "picture")):
        a, b = median(ours[f"{part}_seconds"]), median(theirs[f"{part}_seconds"])
        rows[part] = {"diffusers": b, "ours": a, "ratio": a / b, "error": errors[output]}
    products = theirs["matmul_flops"] | ours.get("matmul_flops", {})
    peak = max(products.values())
    print(f"{options.size} px, {options.threads} threads, median of {options.repeats}, f32")
    print(f"{'':8}{'diffusers s':>12}{'ours s':>10}{'ours/theirs':>13}{'relative error':>16}")
    for part, row in rows.items():
        print(
            f"{part:8}{row['diffusers']:12.3f}{row['ours']:10.3f}{row['ratio']:13.2f}"
            f"{row['error']:16.1e}"
        )
    rss = {"diffusers": theirs["peak_rss_bytes"], "ours": ours["peak_rss_bytes"]}
    print(f"peak RSS {rss['diffusers'] / 1e9:10.2f}GB{rss['ours'] / 1e9:8.2f}GB"
          f"{rss['ours'] / rss['diffusers']:13.2f}")  # fmt: skip
    for name, flops in products.items():
        print(f"matrix product {name}: {flops / 1e9:.0f} GFLOP/s")
    work = theirs["step_flop"]
    print(f"a step's linear layers and convolutions: {work / 1e12:.3f} TFLOP; share of the peak:", end="")
    for side, row in (("diffusers", rows["step"]["diffusers"]), ("ours", rows["step"]["ours"])):
        print(f" {side} {work / row / peak:.0%}", end="")
    print()
    return {"rows": rows, "peak_rss_bytes": rss, "diffusers": theirs, "ours": ours}


def compare(options) -> int:
    w, h = (int(side) for side in options.size.split("x"))
    if w % 8 or h % 8:
        raise SystemExit(f"--size {options.size}: both sides must be multiples of 8")
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs, reference = (
            Path(folder) / f"{n}.safetensors" for n in ("inputs", "ours", "diffusers")
        )
        make_inputs(options.checkpoint, (w, h), inputs)
        child = [sys.executable, str(Path(__file__).with_name("diffusers_side.py"))]
        child += ["--checkpoint", str(options.checkpoint), "--inputs", str(inputs)]
        child += ["--outputs", str(reference), "--threads", str(options.threads)]
        child += ["--repeats", str(options.repeats)]
        text, peak = run_watched(child, options.threads)
        theirs = last_json(text) | {"peak_rss_bytes": peak}
        time.sleep(1)  # let the system settle after the first process
        command = [
            part.format(
                checkpoint=options.checkpoint, inputs=inputs, outputs=outputs,
                threads=options.threads, repeats=options.repeats,
            )
            for part in shlex.split(options.ours)
        ]  # fmt: skip
        text, peak = run_watched(command, options.threads)
        ours = last_json(text)
        ours["peak_rss_bytes"] = max(peak, ours.get("peak_rss_bytes", 0))
        errors = relative_error(outputs, reference)
    result = table(theirs, ours, errors, options)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    agreed = all(error <= options.tolerance for error in errors.values())
    if not agreed:
        print(f"the outputs differ by more than {options.tolerance:g}", file=sys.stderr)
    return 0 if agreed else FAILED


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--ours", required=True, help="command line with the five {names} above")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--json", type=Path, help="file for all measurements")
    return compare(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
