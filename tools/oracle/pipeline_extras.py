"""What the published InstantID pipeline does not have, added to it while a case runs.

FreeU is diffusers' own. Perturbed attention uses diffusers' processors (PAGCFGIdentitySelfAttnProcessor2_0).
Reuse of deep features is the package DeepCache, by its authors. Several photos are combined as ComfyUI_InstantID
does it (InstantID.py, ApplyInstantID); "sequence" is the published pipeline's own reading of several embeddings. Runs
that start from a picture get their timesteps and latents from diffusers' StableDiffusionXLControlNetImg2ImgPipeline,
with a mask from its StableDiffusionXLControlNetInpaintPipeline, whose blending between steps stands in its __call__ and
is repeated here.
"""

import contextlib

import torch
from diffusers import StableDiffusionXLControlNetImg2ImgPipeline as FromPicture
from diffusers import StableDiffusionXLControlNetInpaintPipeline as Inpaint
from diffusers.image_processor import VaeImageProcessor
from diffusers.models.attention_processor import PAGCFGIdentitySelfAttnProcessor2_0, PAGIdentitySelfAttnProcessor2_0


def repeat_last(value):
    """A tensor, or tensors in lists and dicts, with the last picture of the batch repeated."""
    if isinstance(value, torch.Tensor):
        return torch.cat([value, value[-1:]]) if value.ndim > 0 else value
    if isinstance(value, dict):
        return {key: repeat_last(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [repeat_last(item) for item in value]
    return value


class Guided:
    """Replaces unet.forward: returns outputs from which the pipeline's guidance makes the wanted one."""

    def __init__(self, pipe, request):
        self.forward = pipe.unet.forward
        self.pipe = pipe
        self.steps = request["steps"]
        self.scale = request.get("perturbed_guidance", 0.0)
        self.end = request.get("guidance_end", 1.0)
        self.step = 0

    def __call__(self, sample, timestep, **given):
        if self.scale > 0:
            given = {key: repeat_last(value) if "cond" in key or "encoder" in key or "residual" in key else value
                     for key, value in given.items()}  # fmt: skip
            sample = repeat_last(sample)
        given["return_dict"] = False
        made = self.forward(sample, timestep, **given)[0]
        if self.scale > 0:
            perturbed = made[-1:]
            made = made[:-1]
            made = made + self.scale * (made[-1:] - perturbed)
        if (self.step + 1) / self.steps > self.end:
            made = made[-1:].expand_as(made)
        self.step += 1
        return (made,)


def combined(embeddings: torch.Tensor, combine: str) -> torch.Tensor:
    """What the pipeline gets for photos [n,512]."""
    if combine == "average":
        return torch.mean(embeddings, dim=0)
    if combine == "norm_average":
        return torch.mean(embeddings / torch.norm(embeddings, dim=0, keepdim=True), dim=0)
    return embeddings


@contextlib.contextmanager
def concatenated(pipe, photos: int):
    """Attention reads the tokens of every photo, IdentityNet those of the first."""
    encode, controlnet = pipe._encode_prompt_image_emb, pipe.controlnet.forward
    count = pipe.image_proj_model.latents.shape[1]
    processors = [p for p in pipe.unet.attn_processors.values() if hasattr(p, "num_tokens")]

    def encode_each(embeddings, *given):
        each = [encode(embedding, *given) for embedding in torch.as_tensor(embeddings)]
        return torch.cat(each, dim=1)

    def first_photo(*given, encoder_hidden_states, **named):
        return controlnet(*given, encoder_hidden_states=encoder_hidden_states[:, :count], **named)

    pipe._encode_prompt_image_emb, pipe.controlnet.forward = encode_each, first_photo
    for processor in processors:
        processor.num_tokens = photos * count
    try:
        yield
    finally:
        pipe._encode_prompt_image_emb, pipe.controlnet.forward = encode, controlnet
        for processor in processors:
            processor.num_tokens = count


@contextlib.contextmanager
def noisy(pipe, noise: float):
    """Noise in place of the unconditional half's zeros."""
    encode = pipe._encode_prompt_image_emb

    def with_noise(embedding, *_):
        embedding = torch.as_tensor(embedding).reshape(1, 1, -1)
        torch.manual_seed(int(torch.sum(embedding).item()) % 1000000007)
        return pipe.image_proj_model(torch.cat([noise * torch.rand_like(embedding), embedding]))

    pipe._encode_prompt_image_emb = with_noise
    try:
        yield
    finally:
        pipe._encode_prompt_image_emb = encode


@contextlib.contextmanager
def adapter_window(pipe, request):
    """The adapter is off outside a window of steps, counted as the pipeline counts IdentityNet's."""
    forward, steps, step = pipe.unet.forward, request["steps"], 0

    def windowed(*given, **named):
        nonlocal step
        start, end = request.get("adapter_start", 0.0), request.get("adapter_end", 1.0)
        is_on = not (step / steps < start or (step + 1) / steps > end)
        pipe.set_ip_adapter_scale(request["adapter_strength"] if is_on else 0.0)
        step += 1
        return forward(*given, **named)

    pipe.unet.forward = windowed
    try:
        yield
    finally:
        pipe.unet.forward = forward


class LateScheduler:
    """A scheduler that shows only the timesteps of a run that starts from a picture."""

    def __init__(self, scheduler, strength):
        self.inner, self.strength = scheduler, strength

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def set_timesteps(self, steps, device=None):
        self.inner.set_timesteps(steps, device=device)
        self.timesteps, _ = FromPicture.get_timesteps(self.holder(), steps, self.strength, device)

    def holder(self):
        return type("Pipeline", (), {"scheduler": self.inner})()


def start_from(pipe, picture, strength):
    """Makes the pipeline start from a picture. Returns a function that undoes it."""
    scheduler, prepare = pipe.scheduler, pipe.prepare_latents
    late = LateScheduler(scheduler, strength)

    def prepared(batch, channels, height, width, dtype, device, generator, latents=None):
        values = VaeImageProcessor(vae_scale_factor=8).preprocess(picture, height=height, width=width)
        return FromPicture.prepare_latents(pipe, values, late.timesteps[:1], batch, 1, dtype, device, generator, True)

    pipe.__dict__.update(scheduler=late, prepare_latents=prepared)

    def undo():
        pipe.__dict__.update(scheduler=scheduler, prepare_latents=prepare)

    return undo


class BlendingScheduler(LateScheduler):
    """After each step, what the mask does not cover becomes the picture's again, with the next step's noise."""

    def step(self, noise_pred, t, latents, **given):
        (latents,) = self.inner.step(noise_pred, t, latents, **given)[:1]
        kept = self.image_latents
        self.done += 1
        if self.done < len(self.timesteps):
            kept = self.inner.add_noise(kept, self.noise, self.timesteps[self.done : self.done + 1])
        return ((1 - self.mask) * kept + self.mask * latents,)


def made_for_inpainting(pipe, seed):
    """Gives the UNet five more input channels with random weights. Returns a function that undoes it."""
    old, config = pipe.unet.conv_in, pipe.unet.config.in_channels
    added = torch.randn(old.out_channels, 5, 3, 3, generator=torch.Generator().manual_seed(seed)) * 0.3
    new = torch.nn.Conv2d(9, old.out_channels, 3, padding=1)
    with torch.no_grad():
        new.weight.copy_(torch.cat([old.weight, added.half().float()], 1))
        new.bias.copy_(old.bias)
    pipe.unet.conv_in = new
    pipe.unet.register_to_config(in_channels=9)

    def undo():
        pipe.unet.conv_in = old
        pipe.unet.register_to_config(in_channels=config)

    return undo


def repaint(pipe, picture, mask, request):
    """Makes the pipeline repaint what is white in the mask. Returns a function that undoes it."""
    scheduler, prepare, strength = pipe.scheduler, pipe.prepare_latents, request["strength"]
    forward = pipe.unet.forward
    reads_mask = pipe.unet.config.in_channels == 9
    late = (LateScheduler if reads_mask else BlendingScheduler)(scheduler, strength)

    def prepared(batch, channels, height, width, dtype, device, generator, latents=None):
        processor = VaeImageProcessor(vae_scale_factor=8)
        masks = VaeImageProcessor(vae_scale_factor=8, do_normalize=False, do_binarize=True, do_convert_grayscale=True)
        values = processor.preprocess(picture, height=height, width=width)
        covered = masks.preprocess(mask, height=height, width=width)
        late.done = 0
        made, late.noise, late.image_latents = Inpaint.prepare_latents(
            pipe, batch, 4, height, width, dtype, device, generator, None, values, late.timesteps[:1],
            strength == 1, return_noise=True, return_image_latents=True)  # fmt: skip
        late.mask, unmasked = Inpaint.prepare_mask_latents(
            pipe, covered, values * (covered < 0.5), batch, height, width, dtype, device, generator, False)  # fmt: skip
        if request.get("masked_content") == "noise":  # AUTOMATIC1111's "latent noise"
            begun = late.image_latents * (1 - late.mask) + late.noise * late.mask
            made = scheduler.add_noise(begun, late.noise, late.timesteps[:1])
        if reads_mask:
            more = torch.cat([late.mask, unmasked], 1)
            pipe.unet.forward = lambda sample, *given, **named: forward(
                torch.cat([sample, more.expand(len(sample), -1, -1, -1)], 1), *given, **named)  # fmt: skip
        return made

    pipe.__dict__.update(scheduler=late, prepare_latents=prepared,
                         _encode_vae_image=Inpaint._encode_vae_image.__get__(pipe))  # fmt: skip

    def undo():
        pipe.__dict__.update(scheduler=scheduler, prepare_latents=prepare)
        pipe.unet.forward = forward

    return undo


@contextlib.contextmanager
def applied(pipe, request, picture=None, mask=None):
    """The pipeline with the request's extras."""
    with contextlib.ExitStack() as undo:
        if request.get("combine") == "concat":
            undo.enter_context(concatenated(pipe, request["photos"]))
        if request.get("identity_noise"):
            undo.enter_context(noisy(pipe, request["identity_noise"]))
        if "adapter_start" in request or "adapter_end" in request:
            undo.enter_context(adapter_window(pipe, request))
        if request.get("inpainting_model"):
            undo.callback(made_for_inpainting(pipe, request["seed"]))
        if mask is not None:
            undo.callback(repaint(pipe, picture, mask, request))
        elif "strength" in request:
            undo.callback(start_from(pipe, picture, request["strength"]))
        if request.get("freeu"):
            pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.3, b2=1.4)
            undo.callback(pipe.disable_freeu)
        if request.get("reuse", 1) > 1:
            from DeepCache import DeepCacheSDHelper

            helper = DeepCacheSDHelper(pipe=pipe)
            helper.set_params(cache_interval=request["reuse"], cache_branch_id=0)
            helper.enable()
            undo.callback(helper.disable)
        if request.get("perturbed_guidance", 0) > 0:
            processors = dict(pipe.unet.attn_processors)
            guided = request["guidance"] > 1
            kind = PAGCFGIdentitySelfAttnProcessor2_0 if guided else PAGIdentitySelfAttnProcessor2_0
            changed = {name: kind() if name.startswith("mid_block") and "attn1" in name else processor
                       for name, processor in processors.items()}  # fmt: skip
            pipe.unet.set_attn_processor(dict(changed))
            undo.callback(lambda: pipe.unet.set_attn_processor(dict(processors)))
        if request.get("perturbed_guidance", 0) > 0 or request.get("guidance_end", 1) < 1:
            forward = pipe.unet.forward
            pipe.unet.forward = Guided(pipe, request)
            undo.callback(setattr, pipe.unet, "forward", forward)
        yield
