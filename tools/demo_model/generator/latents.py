"""Encodes pictures to latents and captions to token ids; resumes where it stopped.

    python -m tools.demo_model.generator.latents --side 128

Adds to <work>/pictures_<side>/: latents.npy float16 [n, 4, side / 8, side / 8] (means of the VAE's
encoder times its scaling factor) and tokens.npy int16 [n, 3, 2, 77] (three captions per picture
with both tokenizers); latents_done has the number of finished ones.
"""

import argparse
import os
import time

import numpy as np
import torch

from . import autoencoder, configs, vocabulary
from .pictures import CAPTIONS, SCENES, Pictures
from .training import Log

BATCH = 16


class Latents:
    """The data of one size's pictures for the later stages."""

    def __init__(self, side: int):
        self.side, self.pictures = side, Pictures(side)
        place = side // 8
        self.latents = self.pictures.open("latents", np.float16, (4, place, place))
        self.tokens = self.pictures.open("tokens", np.int16, (CAPTIONS, 2, configs.CONTEXT))
        self.path = self.pictures.folder / "latents_done"

    @property
    def done(self) -> int:
        return int(self.path.read_text()) if self.path.exists() else 0

    @done.setter
    def done(self, count: int) -> None:
        self.path.with_suffix(".tmp").write_text(str(count))
        os.replace(self.path.with_suffix(".tmp"), self.path)


def token_ids(tokenizers, texts: list[str]) -> np.ndarray:
    """[texts, 2, 77]"""
    made = [tokenizer(texts, padding="max_length", max_length=configs.CONTEXT, truncation=True).input_ids
            for tokenizer in tokenizers]  # fmt: skip
    return np.stack([np.array(ids, np.int16) for ids in made], axis=1)


@torch.no_grad()
def make(data: Latents, rows: range, vae, tokenizers) -> None:
    rgb = torch.from_numpy(data.pictures.rgb[rows.start : rows.stop]).permute(0, 3, 1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found = vae.encode(rgb.float() / 127.5 - 1).latent_dist.mode()
    data.latents[rows.start : rows.stop] = (found.float() * vae.config.scaling_factor).numpy()
    texts = [data.pictures.caption(n, number) for n in rows for number in range(CAPTIONS)]
    ids = token_ids(tokenizers, texts)
    data.tokens[rows.start : rows.stop] = ids.reshape(len(rows), CAPTIONS, 2, configs.CONTEXT)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, choices=SCENES, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data, tokenizers = Latents(options.side), vocabulary.tokenizers()
    vae = autoencoder.load().to(memory_format=torch.channels_last)
    log = Log(data.pictures.folder / "latents_log.txt")
    started, first = time.time(), data.done
    logged = started
    while data.done < data.pictures.count:
        start, stop = data.done, min(data.done + BATCH, data.pictures.done)
        if start == stop:  # the renderer is still running
            time.sleep(5)
            continue
        make(data, range(start, stop), vae, tokenizers)
        data.done = stop
        if time.time() - logged > 30 or stop == data.pictures.count:
            logged, rate = time.time(), (stop - first) / (time.time() - started)
            left = (data.pictures.count - stop) / rate / 60
            log(f"{stop}/{data.pictures.count}, {rate:.0f} a second, {left:.0f} min left")


if __name__ == "__main__":
    main()
