"""Runs all stages in order, each up to its number of steps, and exports after each.

    python -m tools.demo_model.generator.train [--threads 2] [--scale 0.5]

Finished stages return at once, so repeat the command to resume after an interruption. --scale
multiplies the numbers of steps. Before the stage `identity` this command waits until the recogniser
(tools/demo_model/faces) exists.
"""

import argparse
import subprocess
import sys
import time

from . import configs, embeddings

AUTOENCODER, DECODER = 11_000, 15_000
BASE, BASE_LARGE = 14_000, 5_000  # all steps; the first step with pictures of 256 pixels, too
IDENTITY, IDENTITY_LARGE = 22_500, 4_500


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the numbers of steps")
    parser.add_argument("--recogniser", type=embeddings.Path, default=embeddings.RECOGNISER)
    options = parser.parse_args()

    def stage(name: str, *flags) -> None:
        command = [sys.executable, "-m", f"{__package__}.{name}", *map(str, flags)]
        print(time.strftime("%H:%M:%S"), " ".join(command[2:]), flush=True)
        subprocess.run(command, check=True, cwd=configs.ROOT)

    def steps(count: int, large_from: int | None = None) -> tuple:
        flags = "--threads", options.threads, "--steps", round(options.scale * count)
        large = () if large_from is None else ("--large-from", round(options.scale * large_from))
        return flags + large

    stage("pictures", "--side", 256, "--count", 24000, "--identities", 8000)
    stage("autoencoder", *steps(AUTOENCODER))
    stage("export")
    stage("pictures", "--side", 128, "--count", 45000, "--identities", 15000)
    for side in (128, 256):
        stage("latents", "--side", side, "--threads", options.threads)
    stage("base", *steps(BASE, BASE_LARGE))
    stage("export")
    while not options.recogniser.exists():
        print(f"waiting for {options.recogniser}", flush=True)
        time.sleep(60)
    for side in (128, 256):
        stage("embeddings", "--side", side, "--recogniser", options.recogniser)
    stage("photos", "--identities", 15000, "--recogniser", options.recogniser)
    stage("identity", *steps(IDENTITY, IDENTITY_LARGE), "--recogniser", options.recogniser)
    stage("autoencoder", *steps(DECODER), "--decoder")
    stage("export")


if __name__ == "__main__":
    main()
