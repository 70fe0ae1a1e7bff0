"""Trains IdentityNet, resampler and adapter, and continues the UNet's training; the text encoders do not change.

    python -m tools.demo_model.generator.identity --steps 22500 --large-from 4500

The embedding comes from a photo or another picture of the same person. The keypoints are those of the target
picture, drawn as in the published demo at 256 pixels and at half that size at 128; the last steps use only
256. The loss is that of the base stage. A few rows of each batch have a second loss that the published
training does not have: the model makes one step of its own from much noise to little noise, as in sampling,
and the loss is the recogniser's distance between the person and the prediction (likeness.py). In a drawn
picture with little noise the face is still visible; here it must come from the embedding. In most of these
rows the person differs from the drawn one, so that people are learnt at keypoints other than their own.
Strengths are drawn between 0.7 and 1, because most users keep 0.8. 5 % of the rows have neither text nor
person, like the unconditional half of guidance (zeros through the resampler), 3 % have no text, 5 % no person.
The published training freezes the UNet, which is large enough to know every face. A small UNet has to learn to
draw the faces it is given. Every tenth step is without IdentityNet and adapter, so that it can still draw from
text alone.

<work>/identity/: checkpoint.pt, weights.pt (the running means), log.txt, sheet_<step>.png
"""

import functools
import math

import cv2
import numpy as np
import torch

from tools.demo_model.world import TRAITS

from . import autoencoder, base, configs, embeddings, likeness, nets, photos, sampling, sheets, training, vocabulary
from .latents import Latents, token_ids

SEED = 37
BATCH = {128: 48, 256: 12}
LIKENESS_WEIGHT = 0.5  # 0.15 up to step 13,000, 0.3 up to 18,000
LIKENESS_ROWS = 6  # per batch
LIKENESS_FROM, LIKENESS_TO = (700, 1000), (50, 500)  # timesteps before and after the model's own step
SWAPPED = 0.7  # share of these rows whose person differs from the drawn one
PHOTOS = 0.5  # share of people given by a photo instead of a picture in some style
ALONE = 0.1  # share of steps without a person
FOLDER = configs.WORK / "identity"
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)]
HELD_OUT = 1_000_000  # the first identity not used in any training
PROMPTS = ["photo of a person in a garden", "watercolor portrait", "a person with glasses, neon", "a person in the snow"]


def draw_keypoints(side: int, points: np.ndarray) -> np.ndarray:
    """uint8 [side, side, 3]: black background, an ellipse from each outer point to the nose, darkened to
    0.6, and a disc at each point. At 256 pixels with the published sizes."""
    scale = min(1.0, side / 256)
    picture = np.zeros((side, side, 3), np.uint8)
    for i in (0, 1, 3, 4):
        (x0, y0), (x1, y1) = points[i], points[2]
        length, angle = math.hypot(x0 - x1, y0 - y1), math.degrees(math.atan2(y0 - y1, x0 - x1))
        polygon = cv2.ellipse2Poly(
            (int((x0 + x1) / 2), int((y0 + y1) / 2)), (int(length / 2), round(4 * scale)), int(angle), 0, 360, 1
        )
        cv2.fillConvexPoly(picture, polygon, COLOURS[i])
    picture = (picture * 0.6).astype(np.uint8)
    for (x, y), colour in zip(points, COLOURS):
        cv2.circle(picture, (int(x), int(y)), round(10 * scale), colour, -1)
    return picture


class People:
    """The embeddings of the people in the pictures of one size."""

    def __init__(self, data: Latents):
        self.identities, self.count = data.pictures.identities, data.pictures.count
        self.pictures, self.photos = embeddings.read(data.pictures), photos.read(self.identities)
        each = self.photos / np.linalg.norm(self.photos, axis=2, keepdims=True)
        self.means = torch.from_numpy(each.mean(axis=0))
        self.woman = np.asarray(data.pictures.labels[: self.identities, list(TRAITS).index("woman")])
        self.alike = [np.flatnonzero(self.woman == kind) for kind in (0, 1)]

    def others(self, who: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Another person of the same sex for each person, because captions mention the sex."""
        return np.array([draw.choice(self.alike[self.woman[person]]) for person in who])

    def sources(self, who: np.ndarray, at: np.ndarray, draw: np.random.Generator) -> torch.Tensor:
        """[n, 1, 512]: for each person the embedding of a photo, or of a picture other than the one at `at`."""
        each, found = self.count // self.identities, []
        for person, place in zip(who, at):
            if draw.random() < PHOTOS:
                found.append(self.photos[draw.integers(0, len(self.photos)), person])
            else:
                number = (place // self.identities + draw.integers(1, each)) % each
                found.append(self.pictures[number * self.identities + person])
        return torch.from_numpy(np.stack(found))[:, None]


def conditions(side: int, keypoints: np.ndarray) -> torch.Tensor:
    """[n, 3, side, side] in 0..1"""
    drawn = np.stack([draw_keypoints(side, points) for points in keypoints])
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255


class Person:
    """The UNet with the parts that condition it on a person."""

    def __init__(self, unet):
        self.unet = unet.requires_grad_(True)
        self.identitynet = nets.identitynet(unet).requires_grad_(True)
        self.resampler = nets.Resampler()
        self.layers = nets.face_attention(unet).requires_grad_(True)

    def modules(self) -> dict[str, torch.nn.Module]:
        """All trained modules. The layers are also in the UNet, as its processors."""
        return {"identitynet": self.identitynet, "resampler": self.resampler, "layers": self.layers, "unet": self.unet}

    def set_strength(self, adapter: float) -> None:
        for layer in self.layers.values():
            layer.scale.fill_(adapter)

    def residuals(self, noisy, timesteps, face, condition, added, strength: float, net=None) -> dict:
        """`net`: IdentityNet, compiled."""
        down, mid = (self.identitynet if net is None else net)(
            noisy, timesteps, face, condition, strength, added_cond_kwargs=added, return_dict=False
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}


def load(unet):
    """Person.modules() in training, or else the exported ones; None if there are neither. Their UNet is
    `unet` itself."""
    path = FOLDER / "weights.pt"
    if not path.exists() and not (configs.PRODUCT / "ip-adapter.bin").exists():
        return None
    made = Person(unet).modules()
    load_into(made, torch.load(path, weights_only=True) if path.exists() else read_exported())
    return made


def load_into(modules: dict[str, torch.nn.Module], saved) -> None:
    # The UNet first, because its state may contain the layers'.
    for name in ("unet", "identitynet", "resampler", "layers"):
        modules[name].load_state_dict(saved[name], strict=name != "unet")
        modules[name].eval()


def read_exported() -> dict[str, dict[str, torch.Tensor]]:
    parts = torch.load(configs.PRODUCT / "ip-adapter.bin", weights_only=True)
    return {
        "identitynet": base.read_exported(configs.PRODUCT / "ControlNetModel"),
        "resampler": {name: tensor.float() for name, tensor in parts["image_proj"].items()},
        "layers": {name: tensor.float() for name, tensor in parts["ip_adapter"].items()},
        "unet": base.read_exported(configs.PRODUCT / "base" / "unet"),
    }


def draw_people(person: Person, encoders, vae, tokenizers, recogniser, side: int, count: int = 6,
                strength: float = 0.8, guidance: float = configs.GUIDANCE):  # fmt: skip
    """Rows of pictures: a held-out person, the provider of the keypoints, and one picture per prompt."""
    from tools.demo_model.world import Identity, Scene, portrait

    faces = [portrait(Identity.from_seed(HELD_OUT + i), Scene.from_seed(77_000_000 + i, style="none"), 256)
             for i in range(count)]  # fmt: skip
    poses = [portrait(Identity.from_seed(HELD_OUT + 500 + i), Scene.from_seed(78_000_000 + i), side)
             for i in range(count)]  # fmt: skip
    found = torch.from_numpy(recogniser([f.rgb for f in faces], [f.keypoints for f in faces]))
    condition = conditions(side, np.stack([pose.keypoints for pose in poses]))
    none, face = person.resampler(torch.zeros_like(found)[:, None]), person.resampler(found[:, None])
    person.set_strength(strength)
    columns = [np.stack([cv2.resize(f.rgb, (side, side), interpolation=cv2.INTER_AREA) for f in faces]),
               (condition * 255).byte().permute(0, 2, 3, 1).numpy()]  # fmt: skip
    for prompt in PROMPTS:
        tokens = torch.from_numpy(token_ids(tokenizers, [prompt] * count).astype(np.int64))
        text, pooled = base.encode(encoders, tokens)

        def guide(noisy, timestep, added):
            tokens = torch.cat([none, face])
            both = torch.cat([condition] * 2)
            return tokens, person.residuals(noisy, timestep, tokens, both, added, strength)

        columns.append(sampling.pictures(person.unet, vae, text, pooled, side, 5, guidance=guidance, person=guide))
    return [np.stack(row) for row in zip(*columns)]


def main() -> None:
    parser = training.parser(__doc__, steps=7500)
    parser.add_argument("--large-from", type=int, default=4500, help="first step with pictures of 256 pixels")
    parser.add_argument("--large-alone-from", type=int, default=13_000, help="first step with only those")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--recogniser", type=embeddings.Path, default=embeddings.RECOGNISER)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = training.Log(FOLDER / "log.txt")

    @functools.cache
    def read(side: int) -> tuple[Latents, People]:
        data = Latents(side)
        return data, People(data)

    tokenizers = vocabulary.tokenizers()
    empty = token_ids(tokenizers, [""])[0]
    vae, trained = autoencoder.load(), base.load()
    if trained is None:
        raise SystemExit("cannot train identity: the base model is not trained yet; run the stage `base` first")
    encoders = [encoder.requires_grad_(False) for encoder in trained["encoders"]]
    person = Person(trained["unet"])
    # An embedding's values are not of size 1; this adapts a projection initialised for 1.
    with torch.no_grad():
        person.resampler.proj_in.weight /= float(np.sqrt(np.square(read(256)[1].pictures[:1000]).mean()))
    modules = person.modules()
    weights = list(dict.fromkeys(p for module in modules.values() for p in module.parameters()))
    optimizer = torch.optim.AdamW(weights, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    mean = training.RunningMean(modules, 0.999)
    noise_of, recogniser = base.Noise(), embeddings.Recogniser(options.recogniser)
    unlike = likeness.Likeness(options.recogniser, vae)

    def sheet(step: int) -> None:
        training.save_means(modules, mean, FOLDER)
        with mean, torch.no_grad():
            for side in BATCH if step > options.large_from else (128,):
                made = draw_people(person, encoders, vae, tokenizers, recogniser, side)
                sheets.write(FOLDER / f"sheet_{step:06}_{side}.png", made)

    def exported() -> None:
        load_into(modules, read_exported())

    parts = {**modules, "optimizer": optimizer, "mean": mean}
    run = training.Run(FOLDER, log, options, parts, sheet, exported)
    # Halves the time on a CPU after minutes of compiling, which pays off only for the most frequent shapes.
    compiled = [torch.compile(net, dynamic=False) for net in (person.unet, person.identitynet)]
    for step in run.steps():
        rate = training.learning_rate(step, options.steps, options.rate)
        training.set_rate(optimizer, rate * run.warmth())
        draw, generator = np.random.default_rng((SEED, step)), training.drawn(SEED, step)
        side = training.drawn_side(draw, step, options.large_from, BATCH)
        if step >= options.large_alone_from:
            side = 256
        (made, known), n = read(side), BATCH[side]
        at, latents, tokens, _ = base.rows(made, draw, n, empty)
        alone, chance = draw.random() < ALONE, draw.random(n)
        text_kept = torch.from_numpy(chance > 0.08).float()[:, None, None]
        face_kept = torch.from_numpy((chance < 0.95) & ~(chance < 0.05)).float()[:, None, None]
        rows = np.flatnonzero(face_kept[:, 0, 0])[: 0 if alone else LIKENESS_ROWS]
        who = at % known.identities
        swapped = rows[draw.random(len(rows)) < SWAPPED]
        who[swapped] = known.others(who[swapped], draw)
        embedding = known.sources(who, at, draw)
        condition = conditions(side, made.pictures.keypoints[at])
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(0, 1000, (n,), generator=generator)
        noisy = noise_of.add(latents, noise, timesteps)
        unet, identitynet = compiled if side == 256 and not alone else (person.unet, person.identitynet)
        strengths = (0, 0) if alone else draw.uniform(0.7, 1.0, 2)
        person.set_strength(strengths[1])
        strength = torch.tensor(strengths[0], dtype=torch.float32)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            text, pooled = base.encode(encoders, tokens)
        text, pooled = text * text_kept, pooled * text_kept[:, 0]

        def predicted(noisy, timesteps, rows=slice(None)):
            with torch.autocast("cpu", torch.bfloat16):
                added = {"text_embeds": pooled[rows], "time_ids": base.time_ids(side, len(noisy))}
                face = person.resampler((embedding * face_kept)[rows])
                residuals = {} if alone else person.residuals(noisy, timesteps, face, condition[rows], added, strength, identitynet)
                read_by_unet = torch.cat([text[rows], face], dim=1)
                return unet(noisy, timesteps, read_by_unet, added_cond_kwargs=added, return_dict=False, **residuals)[0].float()

        rows = torch.from_numpy(rows)
        if len(rows):
            before = torch.randint(*LIKENESS_FROM, (len(rows),), generator=generator)
            timesteps[rows] = torch.randint(*LIKENESS_TO, (len(rows),), generator=generator)
            with torch.no_grad():
                noisy[rows] = noise_of.add(latents[rows], noise[rows], before)
                noise[rows] = predicted(noisy[rows], before, rows)
                noisy[rows] = noise_of.add(noise_of.clean(noisy[rows], noise[rows], before), noise[rows], timesteps[rows])
        got = predicted(noisy, timesteps)
        drawn = torch.ones(n, dtype=torch.bool).index_fill(0, rows, False)
        loss = noise_of.loss(got[drawn], noise[drawn], timesteps[drawn], base.face_weights(made.pictures, at[drawn.numpy()]))
        values = {"alone" if alone else f"loss_{side}": loss}
        if len(rows):
            clean = noise_of.clean(noisy[rows], got[rows], timesteps[rows])
            trust = noise_of.trust(timesteps[rows])
            rows, wanted = at[rows.numpy()], known.means[who[rows.numpy()]]
            # Slightly off the face's position, so that likeness is learnt and not pixels.
            jitter = 0.01 * side * draw.standard_normal((len(rows), 1, 2))
            with torch.autocast("cpu", torch.bfloat16):
                far = unlike(clean, made.pictures.box[rows], made.pictures.keypoints[rows] + jitter, wanted)
            values["unlike"] = far.mean()
            loss = loss + LIKENESS_WEIGHT * (trust * far).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        mean.update(step)
        run.report(n, **values, norm=norm)


if __name__ == "__main__":
    main()
