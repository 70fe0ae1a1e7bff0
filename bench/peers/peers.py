#!/usr/bin/env python3
"""Times one guided step and one decode of Semblance and of its peers, in one run on the same inputs.

    python peers.py --checkpoint DIR --ours "build/release/bench/step --checkpoint {checkpoint}
        --inputs {inputs} --outputs {outputs} --threads {threads} --repeats {repeats} --precision {precision}"
        [--peers diffusers,openvino] [--precision f32|bf16] [--models DIR] [--size 512x512] [--threads N]
        [--repeats 3] [--json FILE]

DIR contains base/, identitynet/ and ip-adapter.* (tools/synthetic/make_checkpoint.py writes a full-size one). The sides
run one after the other, each in its own process: diffusers in f32 with its own fused attention processors, OpenVINO with
--precision as its hint. Each reads the inputs file and writes an outputs file; README.md describes the files and the
output that --ours must print. The table gives medians, ratios, peak resident sizes, the share of the machine's
matrix-product peak (the best product of any side), and the outputs' difference: max|a-b| / max|b|.
Full-size diffusers takes about 16 GB; OpenVINO's models are converted once per size, into --models.
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


def table(sides: dict[str, dict], errors: dict[str, dict[str, float]], options) -> dict:
    ours = sides["ours"]
    products = {}
    for side in sides.values():
        products |= side.get("matmul_flops", {})
    work = max((side.get("step_flop", 0) for side in sides.values()))
    print(f"{options.size} px, {options.threads} threads, median of {options.repeats}, {options.precision}")
    print(f"{'':12}{'step s':>10}{'ours/it':>9}{'error':>10}{'decode s':>12}{'ours/it':>9}{'error':>10}{'peak GB':>10}")
    rows = {}
    for name, side in sides.items():
        row = {"peak_rss_bytes": side["peak_rss_bytes"]}
        text = f"{name:12}"
        for part, output in (("step", "noise"), ("decode", "picture")):
            seconds = median(side[f"{part}_seconds"])
            ratio = median(ours[f"{part}_seconds"]) / seconds
            error = errors.get(name, {}).get(output)
            row[part] = {"seconds": seconds, "ratio": ratio, "error": error}
            shown = "" if error is None else f"{error:.1e}"
            text += f"{seconds:{10 if part == 'step' else 12}.3f}{ratio:9.2f}{shown:>10}"
        print(text + f"{side['peak_rss_bytes'] / 1e9:10.2f}")
        rows[name] = row
    for name, flops in products.items():
        print(f"matrix product {name}: {flops / 1e9:.0f} GFLOP/s")
    if work and products:
        peak = max(products.values())
        print(f"a step's linear layers and convolutions: {work / 1e12:.3f} TFLOP; share of the peak:", end="")
        for name, row in rows.items():
            print(f" {name} {work / row['step']['seconds'] / peak:.0%}", end="")
        print()
    return {"rows": rows, "sides": sides}


def peer_command(name: str, options, inputs: Path, outputs: Path) -> list[str]:
    command = [sys.executable, str(Path(__file__).with_name(f"{name}_side.py")), "--inputs", str(inputs)]
    command += ["--outputs", str(outputs), "--threads", str(options.threads)]
    command += ["--repeats", str(options.repeats)]
    if name == "openvino":
        models = options.models / options.size
        if not (models / "decoder.xml").exists():
            subprocess.run([*command, "--convert", "--checkpoint", str(options.checkpoint), "--models", str(models)],
                           check=True)  # fmt: skip
        return [*command, "--models", str(models), "--precision", options.precision]
    return [*command, "--checkpoint", str(options.checkpoint)]


def compare(options) -> int:
    w, h = (int(side) for side in options.size.split("x"))
    if w % 8 or h % 8:
        raise SystemExit(f"--size {options.size}: both sides must be multiples of 8")
    peers = [name for name in options.peers.split(",") if name]
    unknown = set(peers) - {"diffusers", "openvino"}
    if unknown:
        raise SystemExit(f"--peers {','.join(sorted(unknown))}: expected diffusers, openvino or both")
    if "openvino" in peers and not options.models:
        raise SystemExit("--peers openvino needs --models DIR, for its converted models")
    sides, errors = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        inputs, ours = Path(folder) / "inputs.safetensors", Path(folder) / "ours.safetensors"
        make_inputs(options.checkpoint, (w, h), inputs)
        command = [
            part.format(
                checkpoint=options.checkpoint, inputs=inputs, outputs=ours, threads=options.threads,
                repeats=options.repeats, precision=options.precision,
            )
            for part in shlex.split(options.ours)
        ]  # fmt: skip
        for name in peers:
            text, peak = run_watched(peer_command(name, options, inputs, Path(folder) / name), options.threads)
            sides[name] = last_json(text) | {"peak_rss_bytes": peak}
            time.sleep(1)  # let the system settle after the process
        text, peak = run_watched(command, options.threads)
        sides["ours"] = last_json(text)
        sides["ours"]["peak_rss_bytes"] = max(peak, sides["ours"].get("peak_rss_bytes", 0))
        for name in peers:
            errors[name] = relative_error(ours, Path(folder) / name)
    result = table(sides, errors, options)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    agreed = all(error <= options.tolerance for each in errors.values() for error in each.values())
    if not agreed:
        print(f"the outputs differ by more than {options.tolerance:g}", file=sys.stderr)
    return 0 if agreed else FAILED


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--ours", required=True, help="command line with the six {names} above")
    parser.add_argument("--peers", default="diffusers", help="diffusers, openvino, or both with a comma")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--models", type=Path, help="folder for OpenVINO's converted models")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--json", type=Path, help="file for all measurements")
    return compare(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
