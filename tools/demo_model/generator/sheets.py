"""Sheets of pictures for inspection."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw


def to_bytes(rgb: torch.Tensor) -> np.ndarray:
    """[n, 3, h, w] in -1..1 to uint8 [n, h, w, 3]."""
    return ((rgb.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def write(path: Path, rows: list[np.ndarray], names: list[str] | None = None) -> None:
    """One line of pictures for each of `rows` ([n, h, w, 3]), with `names` under the pictures, row by row."""
    height = rows[0].shape[1] + (14 if names else 0)
    width = rows[0].shape[2]
    sheet = Image.new("RGB", (width * max(map(len, rows)), height * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    names = iter(names or [])
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (x * width, y * height))
            name = next(names, "")
            pen.text((x * width + 2, y * height + row.shape[1] + 1), name[: width // 6], "black")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


@torch.no_grad()
def reconstructions(vae, pictures, path: Path, count: int = 6) -> None:
    """The original pictures above their reconstructions by the VAE."""
    rgb = torch.from_numpy(pictures.rgb[:count]).permute(0, 3, 1, 2).float() / 127.5 - 1
    again = vae.decode(vae.encode(rgb).latent_dist.mode()).sample
    write(path, [to_bytes(rgb), to_bytes(again)])
