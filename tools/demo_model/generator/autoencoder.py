"""Trains the VAE on crops of the 256-pixel pictures, then measures the scaling factor.

    python -m tools.demo_model.generator.autoencoder --steps 11000
    python -m tools.demo_model.generator.autoencoder --decoder --steps 15000

The loss is the absolute difference of values and of edges at three sizes (which keeps lines sharp), with
more weight around eyes and mouth, plus a small Kullback-Leibler term. A third of the crops are at
half size, because most of the UNet's training is at 128 pixels. --decoder trains only the decoder, so that
existing latents stay valid.

<work>/autoencoder/: checkpoint.pt, weights.pt (the running means), log.txt, sheet_<step>.png
"""

import json

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from tools.demo_model.faces.progress import save_atomically

from . import configs, nets, sheets, training
from .pictures import Pictures

SEED = 11
SIDE, BATCH = 80, 8
KL, TINT = 5e-4, 0.3
TINT_STEPS = range(6_000, 8_000)
TINT_DIRECTION = (0.2018, 0.0885, 0.7564, -0.6159)
FOLDER = configs.WORK / "autoencoder"


def crop(pictures: Pictures, n: int, side: int, halve: bool, draw: np.random.Generator):
    """A crop (rgb [side, side, 3] in 0..1, weight [side, side]); half of the crops are near a keypoint."""
    rgb, points = pictures.rgb[n], pictures.keypoints[n]
    rgb = np.asarray(rgb, np.float32) / 255
    if halve:
        rgb = rgb.reshape(rgb.shape[0] // 2, 2, -1, 2, 3).mean((1, 3))
        points = points / 2
    room = len(rgb) - side
    corner = draw.integers(0, room + 1, 2)
    if draw.random() < 0.6:
        at = points[draw.integers(5)] + draw.uniform(-0.4, 0.4, 2) * side
        corner = np.clip(at[::-1] - side / 2, 0, room).astype(int)
    y, x = corner
    grid = np.arange(side)
    near = np.zeros((side, side), np.float32)
    span = 0.28 * np.linalg.norm(points[0] - points[1])
    for px, py in points[[0, 1, 3, 4]]:
        near = np.maximum(
            near, np.exp(-((grid[None] + x - px) ** 2 + (grid[:, None] + y - py) ** 2) / (2 * span**2))
        )
    return rgb[y : y + side, x : x + side], 1 + 2 * near


def batch(pictures: Pictures, step: int, side: int = SIDE, size: int = BATCH):
    draw = np.random.default_rng((SEED, step))
    halve = step % 3 == 0
    made = [crop(pictures, n, side, halve, draw) for n in draw.integers(0, pictures.done, size)]
    rgb = torch.from_numpy(np.stack([m[0] for m in made])).permute(0, 3, 1, 2).contiguous() * 2 - 1
    return rgb, torch.from_numpy(np.stack([m[1] for m in made]))[:, None]


def difference(got: torch.Tensor, want: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted absolute difference of values, of steps between neighbours at three sizes, and of the
    mean colours of 8 x 8 areas."""
    error = got - want
    total = (weight * error.abs()).mean() + 4 * F.avg_pool2d(error, 8).abs().mean()
    for _ in range(3):
        total = total + 0.5 * (weight[..., 1:] * (error[..., 1:] - error[..., :-1]).abs()).mean()
        total = total + 0.5 * (weight[..., 1:, :] * (error[..., 1:, :] - error[..., :-1, :]).abs()).mean()
        error, weight = F.avg_pool2d(error, 2), F.avg_pool2d(weight, 2)
    return total


def tint_missing(latent: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    """Distance of one direction of the latent from the mean tint (magenta to green) of its position.

    Training preserves luminance and the axis from blue to orange, but gets stuck at a saddle point where
    latent and decoder both ignore the third colour axis; it did not leave it in 6,000 steps. So for
    TINT_STEPS the direction in which the latent varies least is trained to encode it.
    """
    red, green, blue = F.avg_pool2d(rgb, 8).unbind(1)
    carried = torch.einsum("nchw,c->nhw", latent.float(), torch.tensor(TINT_DIRECTION))
    return (carried - 3 * (red - 2 * green + blue)).abs().mean()


def load():
    """The VAE in training, with its scaling factor, or else the exported one. None if there is neither."""
    if (FOLDER / "weights.pt").exists():
        saved = torch.load(FOLDER / "weights.pt", weights_only=True)
        made = nets.vae(saved["scaling_factor"])
        made.load_state_dict(saved["vae"])
        return made.eval()
    return load_exported()


def load_exported():
    folder = configs.PRODUCT / "base" / "vae"
    if not folder.exists():
        return None
    made = nets.vae(json.loads((folder / "config.json").read_text())["scaling_factor"])
    made.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return made.float().eval()


@torch.no_grad()
def scaling_factor(vae, pictures: Pictures, count: int = 256) -> tuple[float, torch.Tensor, torch.Tensor]:
    latents = []
    for n in range(0, count, 16):
        rgb = torch.from_numpy(pictures.rgb[n : n + 16]).permute(0, 3, 1, 2).float() / 127.5 - 1
        latents.append(vae.encode(rgb).latent_dist.mode())
    all_of_them = torch.cat(latents).transpose(0, 1).flatten(1)
    return 1 / all_of_them.std().item(), all_of_them.mean(1), all_of_them.std(1)


def save_weights(vae, mean: training.RunningMean, pictures: Pictures, log, keep_scale: float | None) -> None:
    with mean:
        factor, middle, spread = scaling_factor(vae, pictures)
        log(f"scaling factor {factor:.4f}, channel means {middle.tolist()}, deviations {spread.tolist()}")
        state = {k: v.clone() for k, v in vae.state_dict().items()}
    save_atomically({"vae": state, "scaling_factor": keep_scale or factor}, FOLDER / "weights.pt")


def main() -> None:
    parser = training.parser(__doc__, steps=11_000)
    parser.add_argument("--decoder", action="store_true", help="train only the decoder")
    parser.add_argument("--rate", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = training.Log(FOLDER / "log.txt")
    pictures = Pictures(256)
    vae = nets.vae()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01)
    mean = training.RunningMean({"vae": vae}, 0.998)
    started = load()
    keep_scale = started.config.scaling_factor if options.decoder else None
    if options.decoder:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)

    def sheet(step: int) -> None:
        with mean:
            sheets.reconstructions(vae, pictures, FOLDER / f"sheet_{step:06}.png")

    parts = {"vae": vae, "optimizer": optimizer, "mean": mean}

    def exported() -> None:
        nonlocal keep_scale
        vae.load_state_dict(load_exported().state_dict())
        keep_scale = started.config.scaling_factor  # existing latents may use it

    run = training.Run(FOLDER, log, options, parts, sheet, exported)
    if options.decoder:  # existing latents were made with the running means
        vae.encoder.load_state_dict(started.encoder.state_dict())
        vae.quant_conv.load_state_dict(started.quant_conv.state_dict())
    for step in run.steps():
        training.set_rate(optimizer, training.learning_rate(step, options.steps, options.rate))
        rgb, weight = batch(pictures, step)
        with torch.autocast("cpu", torch.bfloat16):
            found = vae.encode(rgb).latent_dist
            noise = torch.randn(found.mean.shape, generator=training.drawn(SEED, step))
            latent = found.mean if options.decoder else found.mean + found.std * noise
            got = vae.decode(latent).sample
        loss = difference(got.float(), rgb, weight)
        kl = 0.5 * (found.mean.float() ** 2 + found.var.float() - 1 - found.logvar.float()).mean()
        tint = tint_missing(latent, rgb)
        optimizer.zero_grad()
        (loss + KL * kl + (TINT * tint if step in TINT_STEPS else 0)).backward()
        norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        mean.update(step)
        run.report(len(rgb), loss=loss, kl=kl, tint=tint, norm=norm)
    save_weights(vae, mean, pictures, log, keep_scale)


if __name__ == "__main__":
    main()
