"""What the recogniser sees in two photos of every person: the faces that the generator is shown.

    python -m tools.demo_model.generator.photos --identities 15000

A photo has no medium, and nothing worn: it says more of a face than a picture of it in some style does.
<work>/photos/embeddings.npy float32 [2, identities, 512], not normalised, and recogniser.txt with the
digest of the recogniser that they are from. The photos themselves are not kept.
"""

import argparse
import multiprocessing
import time

import numpy as np

from . import configs, embeddings
from .training import Log

EACH = 2  # photos of a person
SIDE = 256
SCENES = 40_000_000  # the first scene
FOLDER = configs.WORK / "photos"


def draw(n: int):
    from tools.demo_model.faces.align import align
    from tools.demo_model.world import Identity, Scene, portrait

    scene = Scene.from_seed(SCENES + n, style="none", hat="none", hair_dye=None)
    drawn = portrait(Identity.from_seed(n // EACH), scene, SIDE)
    return align(np.ascontiguousarray(drawn.rgb), drawn.keypoints)


def read(identities: int) -> np.ndarray:
    """[2, identities, 512]"""
    path = FOLDER / "embeddings.npy"
    if not path.exists():
        raise SystemExit(f"{path} is not there: run the stage `photos --identities {identities}`")
    found = np.load(path)[:, :identities]
    if found.shape[1] < identities:
        raise SystemExit(f"{path} has {found.shape[1]} people of {identities}: remove it, run the stage `photos`")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--identities", type=int, required=True)
    parser.add_argument("--recogniser", type=embeddings.Path, default=embeddings.RECOGNISER)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    recogniser, log = embeddings.Recogniser(options.recogniser), Log(FOLDER / "log.txt")
    path, made_by = FOLDER / "embeddings.npy", FOLDER / "recogniser.txt"
    if path.exists() and made_by.exists() and made_by.read_text() == recogniser.digest:
        log("the embeddings are there, from this recogniser")
        return
    count = EACH * options.identities
    found = np.zeros((count, configs.EMBEDDING_WIDTH), np.float32)
    started = said = time.time()
    with multiprocessing.Pool() as pool:
        crops = pool.imap(draw, range(count), chunksize=16)
        for first in range(0, count, embeddings.BATCH):
            rows = slice(first, min(first + embeddings.BATCH, count))
            found[rows] = recogniser.of_crops([next(crops) for _ in range(rows.stop - rows.start)])
            if time.time() - said > 30:
                said, rate = time.time(), rows.stop / (time.time() - started)
                log(f"{rows.stop}/{count}, {rate:.0f} a second, {(count - rows.stop) / rate / 60:.0f} min left")
    np.save(path, found.reshape(options.identities, EACH, -1).transpose(1, 0, 2))
    made_by.write_text(recogniser.digest)
    log("done")


if __name__ == "__main__":
    main()
