#!/usr/bin/env python3
"""Makes the same picture within several memory budgets and compares time, peak and bits.

    bench/memory/memory.py --checkpoint DIR --face identity.json --size 1024x1024 --steps 2 \\
        --budgets 256MiB 512MiB 2GiB 20GiB [--chart docs/memory.svg] [--in-groups]

Runs build/release/bench/picture for each budget in turn and prints a table in Markdown: seconds of the
last step and of the decoder, the measured peak resident size, the planned step time and peak, the size of
the scratch file, and the hash of the picture. With --in-groups (root, control groups v1) each run is in a
control group of its budget plus 16 MiB, without swap. The checkpoint comes from
tools/synthetic/make_checkpoint.py; nothing else should run meanwhile.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}


def bytes_of(budget: str) -> int:
    return int(float(budget[:-3]) * UNITS[budget[-3:]])


@contextlib.contextmanager
def control_group(limit: int):
    folder = pathlib.Path("/sys/fs/cgroup/memory") / f"semblance_bench_{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        (folder / "memory.swappiness").write_text("0")
        yield folder
    finally:
        folder.rmdir()


def run(words: list[str], group: pathlib.Path | None) -> dict:
    def enter():
        if group:
            (group / "tasks").write_text(str(os.getpid()))

    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=enter)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"ended with {done.returncode}"}
    return json.loads(done.stdout)


def mib(count: int) -> str:
    return f"{count / (1 << 20):.0f}"


def chart(points: list[tuple[int, float]], title: str) -> str:
    """An SVG of seconds per step by budget, with a logarithmic axis of bytes."""
    import math

    left, right, top, bottom = 60, 620, 40, 300
    low, high = math.log2(points[0][0]), math.log2(points[-1][0])
    most = max(seconds for _, seconds in points) * 1.1
    at = [
        (left + (math.log2(budget) - low) / max(high - low, 1e-9) * (right - left),
         bottom - seconds / most * (bottom - top))
        for budget, seconds in points
    ]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="660" height="350" font-family="sans-serif" font-size="12">',
        f'<text x="{left}" y="20" font-size="14">{title}</text>',
        f'<path d="M{left},{top} V{bottom} H{right}" fill="none" stroke="#888"/>',
        '<polyline fill="none" stroke="#2a6" stroke-width="2" points="'
        + " ".join(f"{x:.1f},{y:.1f}" for x, y in at) + '"/>',
    ]
    for (x, y), (budget, seconds) in zip(at, points):
        label = f"{budget >> 20} MiB" if budget < 1 << 30 else f"{budget >> 30} GiB"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#2a6"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{seconds:.1f} s</text>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{label}</text>')
    return "\n".join(parts + ["</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--face", required=True)
    parser.add_argument("--size", default="1024x1024")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--budgets", nargs="+", default=["256MiB", "512MiB", "2GiB", "20GiB"])
    parser.add_argument("--chart", type=pathlib.Path)
    parser.add_argument("--in-groups", action="store_true")
    arguments = parser.parse_args()

    print("| budget | step, s | planned | decode, s | peak, MiB | planned | on disk, MiB | picture |")
    print("|---|---|---|---|---|---|---|---|")
    points = []
    for budget in sorted(arguments.budgets, key=bytes_of):
        words = [str(ROOT / "build/release/bench/picture"), "--checkpoint", arguments.checkpoint, "--face",
                 arguments.face, "--size", arguments.size, "--steps", str(arguments.steps), "--memory", budget,
                 "--precision", arguments.precision]
        with control_group(bytes_of(budget) + (16 << 20)) if arguments.in_groups else contextlib.nullcontext() as group:
            result = run(words, group)
        if "error" in result:
            print(f"| {budget} | {result['error']} |", flush=True)
            continue
        points.append((bytes_of(budget), result["step_seconds"][-1]))
        print(f"| {budget} | {result['step_seconds'][-1]:.1f} | {result['planned_step_seconds']:.1f} "
              f"| {result['decode_seconds']:.1f} | {mib(result['peak_bytes'])} | {mib(result['planned_bytes'])} "
              f"| {mib(result['scratch_bytes'])} | {result['picture']} |", flush=True)
    if arguments.chart and len(points) > 1:
        arguments.chart.write_text(chart(points, f"One step at {arguments.size}, {arguments.precision}, by memory budget"))


if __name__ == "__main__":
    main()
