"""Samples pictures from the networks in training: the Euler sampler with guidance, as in the program."""

import numpy as np
import torch

from . import configs
from .sheets import to_bytes


@torch.no_grad()
def latents(unet, text, pooled, side: int, seed: int, steps: int = 25, guidance: float = configs.GUIDANCE,
            person=None, half: bool = False) -> torch.Tensor:  # fmt: skip
    """The final latents [n, 4, side / 8, side / 8] for n texts. The unconditional half gets zeros.
    `half`: compute in bfloat16 where autocast does.

    `person`, if given, is a function of (latent, timestep, pooled, time ids) for [unconditional,
    conditional] together. It returns (face tokens, the keyword arguments with IdentityNet's
    residuals).
    """
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(**configs.SCHEDULER)
    scheduler.set_timesteps(steps)
    n, place = len(text), side // 8
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn((n, 4, place, place), generator=generator) * scheduler.init_noise_sigma
    text = torch.cat([torch.zeros_like(text), text])
    pooled = torch.cat([torch.zeros_like(pooled), pooled])
    ids = torch.tensor([[side, side, 0, 0, side, side]] * 2 * n, dtype=torch.float32)
    added = {"text_embeds": pooled, "time_ids": ids}
    for timestep in scheduler.timesteps:
        both = scheduler.scale_model_input(torch.cat([made] * 2), timestep)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            read, more = text, {}
            if person:
                face, more = person(both, timestep, added)
                read = torch.cat([text, face], dim=1)
            got = unet(both, timestep, read, added_cond_kwargs=added, return_dict=False, **more)[0]
        without, with_text = got.float().chunk(2)
        got = without + guidance * (with_text - without)
        made = scheduler.step(got, timestep, made).prev_sample
    return made


@torch.no_grad()
def pictures(unet, vae, *rest, **options) -> np.ndarray:
    """uint8 [n, side, side, 3]; arguments as for latents(), with the VAE after the UNet."""
    made = latents(unet, *rest, half=True, **options)
    return to_bytes(vae.decode(made / vae.config.scaling_factor).sample)
