"""The goldens of stages: intermediate results of the published pipeline for one request.

Shapes are torch's (channels first); a batch of two is [unconditional, conditional].
"""

import torch


def watch(module, outputs: dict, name: str):
    """Stores a module's result (the first of a tuple) under `name`."""

    def hook(_, __, result):
        outputs[name] = (result[0] if isinstance(result, tuple) else result).detach().clone()

    return module.register_forward_hook(hook)


def token_ids(tokenizer, texts: list[str]) -> torch.Tensor:
    kept = tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    return kept.input_ids.to(torch.int32)


def text(pipe, prompt: str, negative: str) -> dict[str, torch.Tensor]:
    made = {}
    hooks = [
        watch(encoder.get_submodule(path), made, f"text.{i}.{name}")
        for i, encoder in ((1, pipe.text_encoder), (2, pipe.text_encoder_2))
        for path, name in layers(encoder)
    ]
    conditional, unconditional, pooled, negative_pooled = pipe.encode_prompt(
        prompt, None, torch.device("cpu"), 1, True, negative, None
    )
    for hook in hooks:
        hook.remove()
    # The hooks saw the negative prompt last: encode_prompt encodes the prompt first.
    return {
        "tokens.1": token_ids(pipe.tokenizer, [negative, prompt]),
        "tokens.2": token_ids(pipe.tokenizer_2, [negative, prompt]),
        "text.conditioning": torch.cat([unconditional, conditional]),
        "text.pooled": torch.cat([negative_pooled, pooled]),
    } | {f"{name}.negative": tensor for name, tensor in made.items()}


def layers(encoder) -> list[tuple[str, str]]:
    prefix = "text_model." if hasattr(encoder, "text_model") else ""
    count = encoder.config.num_hidden_layers
    found = [(f"{prefix}encoder.layers.{i}", f"layer.{i}") for i in range(count)]
    return [(f"{prefix}embeddings", "embeddings"), *found]


def blocks(unet) -> list[tuple[str, str]]:
    found = [("time_embedding", "time"), ("add_embedding", "added"), ("conv_in", "conv_in")]
    found += [(f"down_blocks.{i}", f"down.{i}") for i in range(len(unet.down_blocks))]
    found += [("mid_block", "mid")]
    if hasattr(unet, "up_blocks"):
        found += [(f"up_blocks.{i}", f"up.{i}") for i in range(len(unet.up_blocks))]
    return found


@torch.no_grad()
def make(pipe, asked: dict, request: dict) -> dict[str, torch.Tensor]:
    """Every stage of the request with guidance and its strengths, for one step."""
    width, height = request["size"]
    made = text(pipe, request["prompt"], request["negative"])
    made["time_ids"] = torch.tensor([[height, width, 0, 0, height, width]] * 2, dtype=torch.float32)

    embedding = torch.tensor(asked["image_embeds"])
    made["face.embedding"] = embedding
    made["face.tokens"] = pipe._encode_prompt_image_emb(embedding, "cpu", torch.float32, True)
    picture = pipe.prepare_image(
        image=asked["image"], width=width, height=height, batch_size=1, num_images_per_prompt=1,
        device="cpu", dtype=torch.float32, do_classifier_free_guidance=False, guess_mode=False,
    )  # fmt: skip
    made["keypoints.picture"] = picture
    made["identitynet.condition"] = pipe.controlnet.controlnet_cond_embedding(picture)

    generator = torch.Generator("cpu").manual_seed(request["seed"])
    noise = torch.randn((1, 4, height // 8, width // 8), generator=generator)
    pipe.scheduler.set_timesteps(request["steps"])
    made["noise"] = noise
    made["schedule.timesteps"] = pipe.scheduler.timesteps.float()
    made["schedule.sigmas"] = pipe.scheduler.sigmas.float()
    # A timestep between the ends, because the first may be a special point of its sinusoid.
    timestep = pipe.scheduler.timesteps[1]
    latent = pipe.scheduler.scale_model_input(noise * pipe.scheduler.sigmas[1], timestep)
    made["step.timestep"] = timestep.float().reshape(1)
    made["step.latent"] = latent
    made |= step(pipe, made, request)

    decoded = torch.randn((1, 4, 9, 7), generator=generator) * 3
    made["vae.decode.latent"] = decoded  # the result of the pipeline's loop, not yet divided
    scaled = decoded / pipe.vae.config.scaling_factor
    made["vae.decode.picture"] = pipe.vae.decode(scaled, return_dict=False)[0]
    drawn = torch.rand((1, 3, 40, 56), generator=generator) * 2 - 1
    made["vae.encode.picture"] = drawn
    made["vae.encode.moments"] = pipe.vae.quant_conv(pipe.vae.encoder(drawn))
    return {name: tensor.contiguous().clone() for name, tensor in made.items()}


def step(pipe, inputs: dict[str, torch.Tensor], request: dict) -> dict[str, torch.Tensor]:
    """IdentityNet and UNet once on both halves, with the blocks' outputs."""
    made = {}
    hooks = [watch(net.get_submodule(path), made, f"{part}.{name}")
             for part, net in (("identitynet", pipe.controlnet), ("unet", pipe.unet))
             for path, name in blocks(net)]  # fmt: skip
    both = torch.cat([inputs["step.latent"]] * 2)
    added = {"text_embeds": inputs["text.pooled"], "time_ids": inputs["time_ids"]}
    timestep = pipe.scheduler.timesteps[1]
    for strength in (1.0, request["identity_strength"]):
        down, mid = pipe.controlnet(
            both, timestep, encoder_hidden_states=inputs["face.tokens"],
            controlnet_cond=torch.cat([inputs["keypoints.picture"]] * 2),
            conditioning_scale=strength, added_cond_kwargs=added, return_dict=False,
        )  # fmt: skip
        if strength == 1.0:
            for i, residual in enumerate([*down, mid]):
                name = "mid" if i == len(down) else str(i)
                made[f"identitynet.residual.{name}"] = residual.clone()
    pipe.set_ip_adapter_scale(request["adapter_strength"])
    made["unet.noise"] = pipe.unet(
        both, timestep,
        encoder_hidden_states=torch.cat([inputs["text.conditioning"], inputs["face.tokens"]], dim=1),
        down_block_additional_residuals=down, mid_block_additional_residual=mid,
        added_cond_kwargs=added, return_dict=False,
    )[0]  # fmt: skip
    for hook in hooks:
        hook.remove()
    return made
