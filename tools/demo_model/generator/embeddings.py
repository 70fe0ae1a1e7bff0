"""Runs the recogniser on every picture, aligned by the renderer's keypoints.

    python -m tools.demo_model.generator.embeddings --side 128

Adds embeddings.npy float32 [n, 512] to <work>/pictures_<side>/, not normalised. recogniser.txt beside it
has the recogniser's digest; a file from another recogniser is made again.
"""

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np

from . import configs
from .pictures import SCENES, Pictures
from .training import Log

RECOGNISER = configs.PRODUCT / "face-models" / "glintr100.onnx"
BATCH = 64


class Recogniser:
    """RGB pictures and five keypoints to embeddings [n, 512]."""

    def __init__(self, path: Path, threads: int = 1):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def __call__(self, pictures, keypoints) -> np.ndarray:
        from tools.demo_model.faces.align import align

        return self.of_crops([align(np.ascontiguousarray(rgb), points) for rgb, points in zip(pictures, keypoints)])

    def of_crops(self, crops) -> np.ndarray:
        crops = (np.stack(crops).astype(np.float32).transpose(0, 3, 1, 2) - 127.5) / 127.5
        return self.session.run(None, {self.session.get_inputs()[0].name: crops})[0]


def read(pictures: Pictures) -> np.ndarray:
    path = pictures.folder / "embeddings.npy"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the stage `embeddings --side {pictures.side}`")
    return np.load(path, mmap_mode="r")


def are_made(folder: Path, recogniser: Recogniser) -> bool:
    """Whether the file was made with this recogniser."""
    made_by = folder / "recogniser.txt"
    return (folder / "embeddings.npy").exists() and made_by.exists() and made_by.read_text() == recogniser.digest


def make(folder: Path, recogniser: Recogniser, log: Log, count: int, of) -> None:
    """Writes embeddings.npy [count, 512]; `of(first, last)` returns those of a range of rows."""
    made = np.zeros((count, configs.EMBEDDING_WIDTH), np.float32)
    started = logged = time.time()
    for first in range(0, count, BATCH):
        last = min(first + BATCH, count)
        made[first:last] = of(first, last)
        if time.time() - logged > 30:
            logged, rate = time.time(), last / (time.time() - started)
            log(f"{last}/{count}, {rate:.0f} a second, {(count - last) / rate / 60:.0f} min left")
    np.save(folder / "embeddings.npy", made)
    (folder / "recogniser.txt").write_text(recogniser.digest)
    log(f"done; mean norm of an embedding: {np.linalg.norm(made[:1000], axis=1).mean():.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, choices=SCENES, required=True)
    parser.add_argument("--recogniser", type=Path, default=RECOGNISER)
    options = parser.parse_args()
    pictures, recogniser = Pictures(options.side), Recogniser(options.recogniser)
    log = Log(pictures.folder / "embeddings_log.txt")
    if are_made(pictures.folder, recogniser):
        log("the embeddings of this recogniser exist already")
        return
    if pictures.done < pictures.count:
        raise SystemExit(f"only {pictures.done} of {pictures.count} pictures are rendered: wait for the rest")

    def of(first: int, last: int) -> np.ndarray:
        return recogniser(pictures.rgb[first:last], pictures.keypoints[first:last])

    make(pictures.folder, recogniser, log, pictures.count, of)


if __name__ == "__main__":
    main()
