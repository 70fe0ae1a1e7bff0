"""Trains both text encoders and the UNet from captions.

    python -m tools.demo_model.generator.base --steps 8500 --large-from 5000

The loss is that of the noise (epsilon), weighted by min(SNR, 5) / SNR and more strongly at the face. Pictures have 128
pixels before step `--large-from`, then both sizes; the UNet gets the size as original and target size. 7 % of the
captions are replaced by zeros, as diffusers does for a missing negative prompt (force_zeros_for_empty_prompt), and 3 %
by the encoding of an empty text.

<work>/base/: checkpoint.pt, weights.pt (the running means), log.txt, sheet_<step>.png
"""

import numpy as np
import torch
from safetensors.torch import load_file

from . import autoencoder, configs, nets, sampling, sheets, training, vocabulary
from .latents import Latents, token_ids

SEED = 23
BATCH = {128: 64, 256: 16}
SNR_LIMIT = 5.0
FACE_WEIGHT, DETAIL_WEIGHT = 2.0, 5.0  # added to the weight elsewhere
FOLDER = configs.WORK / "base"
PROMPTS = [
    "photo of a smiling woman with red hair in a garden",
    "photo of an old man with a beard, wearing glasses",
    "watercolor portrait of a young woman with blond hair",
    "film noir portrait of a man in a hat",
    "a woman with pink hair, neon",
    "a man in the jungle, surprised",
    "a woman with black hair on mars",
    "vibrant colorful portrait of a man with brown hair",
    "a woman with a scarf in the snow",
    "line art of a man with glasses",
    "a sad man with green hair in a library",
    "studio photo of a laughing woman with long curly hair",
]


class Noise:
    """Adds noise like the scheduler's training steps."""

    def __init__(self):
        beta = torch.linspace(
            configs.SCHEDULER["beta_start"] ** 0.5, configs.SCHEDULER["beta_end"] ** 0.5, 1000,
            dtype=torch.float64,
        ) ** 2  # fmt: skip
        self.kept = torch.cumprod(1 - beta, 0).float()

    def add(self, latents, noise, timesteps):
        kept = self.kept[timesteps][:, None, None, None]
        return kept.sqrt() * latents + (1 - kept).sqrt() * noise

    def clean(self, noisy, noise, timesteps):
        """`noisy` without the noise."""
        kept = self.kept[timesteps][:, None, None, None]
        return (noisy - (1 - kept).sqrt() * noise) / kept.sqrt()

    def trust(self, timesteps):
        """A weight for losses on clean(), at most 1: smaller where an error of the noise changes it more."""
        kept = self.kept[timesteps]
        return (kept / (1 - kept)).sqrt().clamp(max=1)

    def weight(self, timesteps):
        snr = self.kept[timesteps] / (1 - self.kept[timesteps])
        return snr.clamp(max=SNR_LIMIT) / snr

    def loss(self, got, noise, timesteps, weights):
        """`weights` [n, 1, h, w], mean 1 in each picture."""
        each = ((got.float() - noise).square() * weights).mean((1, 2, 3))
        return (self.weight(timesteps) * each).mean()


def face_weights(pictures, at: np.ndarray) -> torch.Tensor:
    """[n, 1, side / 8, side / 8], mean 1 in each picture: larger at the face, and largest at eyes, nose
    and mouth, which are only a few positions of the latent."""
    side = pictures.side
    places = np.arange(side // 8) * 8 + 4.0
    boxes, points = pictures.box[at], pictures.keypoints[at]
    inside_x = (places[None] > boxes[:, :1]) & (places[None] < boxes[:, 2:3])
    inside_y = (places[None] > boxes[:, 1:2]) & (places[None] < boxes[:, 3:])
    weights = 1 + FACE_WEIGHT * (inside_y[:, :, None] & inside_x[:, None]).astype(np.float32)
    reach = 0.12 * (boxes[:, 2] - boxes[:, 0])[:, None, None, None]
    near_x = (places[None, None, None] - points[:, :, None, None, 0]) / reach
    near_y = (places[None, None, :, None] - points[:, :, None, None, 1]) / reach
    weights += DETAIL_WEIGHT * np.exp(-(near_x**2 + near_y**2) / 2).max(1)
    return torch.from_numpy((weights / weights.mean((1, 2), keepdims=True)).astype(np.float32))[:, None]


def encode(encoders, tokens: torch.Tensor):
    """Tokens [n, 2, 77] to the text [n, 77, 192] and its pooled vector [n, 128], as in SDXL."""
    first = encoders[0](tokens[:, 0], output_hidden_states=True).hidden_states[-2]
    second = encoders[1](tokens[:, 1], output_hidden_states=True)
    return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds


def time_ids(side: int, n: int) -> torch.Tensor:
    return torch.tensor([[side, side, 0, 0, side, side]] * n, dtype=torch.float32)


def rows(data: Latents, draw: np.random.Generator, n: int, empty: np.ndarray):
    """A batch: (indices, latents [n, 4, h, w], tokens [n, 2, 77], kept [n, 1, 1]). `kept` is 0 where
    the text is replaced by zeros."""
    at = draw.integers(0, data.done, n)
    latents = torch.from_numpy(data.latents[at]).float()
    tokens = data.tokens[at, draw.integers(0, data.tokens.shape[1], n)].astype(np.int64)
    chance = draw.random(n)
    tokens[chance > 0.97] = empty
    kept = torch.from_numpy(chance > 0.07).float()[:, None, None]
    return at, latents, torch.from_numpy(tokens), kept


def load():
    """{"encoders", "unet"} in training, or else the exported ones; None if there are neither."""
    path, product = FOLDER / "weights.pt", configs.PRODUCT / "base"
    names = ("text_encoder", "text_encoder_2", "unet")
    if path.exists():
        saved = torch.load(path, weights_only=True)
    elif (product / "unet").exists():
        saved = {name: read_exported(product / name) for name in names}
    else:
        return None
    encoders, unet = nets.text_encoders(vocabulary.ids()), nets.unet()
    for module, name in zip((*encoders, unet), names):
        module.load_state_dict(saved[name])
    return {"encoders": [e.eval() for e in encoders], "unet": unet.eval()}


def read_exported(folder) -> dict[str, torch.Tensor]:
    """The tensors of an exported folder in fp32, named as in the installed class."""
    (path,) = folder.glob("*.safetensors")
    state = {name: tensor.float() for name, tensor in load_file(path).items()}
    if folder.name.startswith("text_encoder"):
        encoder = nets.text_encoders(vocabulary.ids())[folder.name.endswith("_2")]
        wanted = encoder.state_dict()
        state = {n if n in wanted else n.removeprefix("text_model."): t for n, t in state.items()}
    return state


def main() -> None:
    parser = training.parser(__doc__, steps=8500)
    parser.add_argument("--large-from", type=int, default=5000, help="first step with pictures of 256 pixels")
    parser.add_argument("--rate", type=float, default=1e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = training.Log(FOLDER / "log.txt")
    data = {side: Latents(side) for side in BATCH}
    tokenizers = vocabulary.tokenizers()
    empty = token_ids(tokenizers, [""])[0]
    vae = autoencoder.load()
    encoders, unet = nets.text_encoders(vocabulary.ids()), nets.unet()
    modules = {"text_encoder": encoders[0], "text_encoder_2": encoders[1], "unet": unet}
    weights = [p for module in modules.values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    mean = training.RunningMean(modules, 0.9993)
    noise_of = Noise()

    def sheet(step: int) -> None:
        training.save_means(modules, mean, FOLDER)
        with mean, torch.no_grad():
            tokens = torch.from_numpy(token_ids(tokenizers, PROMPTS).astype(np.int64))
            text, pooled = encode(encoders, tokens)
            pictures = {side: sampling.pictures(unet, vae, text, pooled, side, seed=5)
                        for side in data if side == 128 or step > options.large_from}  # fmt: skip
        for side, made in pictures.items():
            sheets.write(FOLDER / f"sheet_{step:06}_{side}.png", [made[:6], made[6:]], PROMPTS)

    def exported() -> None:
        for name, module in modules.items():
            module.load_state_dict(read_exported(configs.PRODUCT / "base" / name))

    parts = {**modules, "optimizer": optimizer, "mean": mean}
    run = training.Run(FOLDER, log, options, parts, sheet, exported)
    for step in run.steps():
        training.set_rate(optimizer, training.learning_rate(step, options.steps, options.rate))
        draw, generator = np.random.default_rng((SEED, step)), training.drawn(SEED, step)
        side = training.drawn_side(draw, step, options.large_from, BATCH)
        at, latents, tokens, kept = rows(data[side], draw, BATCH[side], empty)
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(0, 1000, (len(latents),), generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            text, pooled = encode(encoders, tokens)
            added = {"text_embeds": pooled * kept[:, 0], "time_ids": time_ids(side, len(latents))}
            got = unet(noise_of.add(latents, noise, timesteps), timesteps, text * kept,
                       added_cond_kwargs=added, return_dict=False)[0]  # fmt: skip
        loss = noise_of.loss(got, noise, timesteps, face_weights(data[side].pictures, at))
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        mean.update(step)
        run.report(len(latents), **{f"loss_{side}": loss, "norm": norm})


if __name__ == "__main__":
    main()
