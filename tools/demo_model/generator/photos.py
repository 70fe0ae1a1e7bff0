"""Runs the recogniser on two photos of every person; the generator is trained with these embeddings.

    python -m tools.demo_model.generator.photos --identities 15000

A photo has no style, no hat and no dyed hair, so it shows more of a face than a picture in some style.
Writes <work>/photos/embeddings.npy float32 [2 * identities, 512], not normalised, the first photos of all
people first, and recogniser.txt with the recogniser's digest. The photos themselves are not kept.
"""

import argparse
import functools
import itertools
import multiprocessing

import numpy as np

from . import configs, embeddings
from .training import Log

EACH = 2  # photos per person
SIDE = 256
SCENES = 40_000_000  # the first scene
FOLDER = configs.WORK / "photos"


def draw(identities: int, n: int) -> np.ndarray:
    """The aligned face of photo n // identities of person n % identities."""
    from tools.demo_model.faces.align import align
    from tools.demo_model.world import Identity, Scene, portrait

    number, person = divmod(n, identities)
    scene = Scene.from_seed(SCENES + EACH * person + number, style="none", hat="none", hair_dye=None)
    drawn = portrait(Identity.from_seed(person), scene, SIDE)
    return align(np.ascontiguousarray(drawn.rgb), drawn.keypoints)


def read(identities: int) -> np.ndarray:
    """[2, identities, 512]"""
    path = FOLDER / "embeddings.npy"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run the stage `photos --identities {identities}`")
    found = np.load(path).reshape(EACH, -1, configs.EMBEDDING_WIDTH)[:, :identities]
    if found.shape[1] < identities:
        raise SystemExit(f"{path}: expected {identities} people, got {found.shape[1]}; remove it and run the stage `photos`")
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
    if embeddings.are_made(FOLDER, recogniser):
        log("the embeddings of this recogniser exist already")
        return
    count = EACH * options.identities
    with multiprocessing.Pool() as pool:
        faces = pool.imap(functools.partial(draw, options.identities), range(count), chunksize=16)

        def of(first: int, last: int) -> np.ndarray:
            return recogniser.of_crops(list(itertools.islice(faces, last - first)))

        embeddings.make(FOLDER, recogniser, log, count, of)


if __name__ == "__main__":
    main()
