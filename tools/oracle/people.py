#!/usr/bin/env python3
"""Makes the goldens of several people in one picture, and of people limited to the box of the face.

    python people.py --pipeline pipeline_stable_diffusion_xl_instantid.py [--out DIR] [--case NAME]

--pipeline as for pipeline.py; its parts (encoders, resampler, networks, scheduler) are diffusers' and the published
pipeline's. What is put together from them here is written in docs/reference.md, section 3, "Several people", after
ComfyUI_InstantID's masked applies (InstantID.py, CrossAttentionPatch.py) and ComfyUI's blending of masked conditionings;
the region mask is that of InstantID's pipeline_stable_diffusion_xl_instantid_full.py.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pipeline
import pipeline_cases
import pipeline_extras
import published
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_configs import CONFIGS

# people: as --people takes them; faces are drawn from the seed. region_mask: only in the box of each face.
CASES = {
    "fp16_published": {
        "people_two": {
            "size": [128, 96], "steps": 4, "seed": 71,
            "people": [{"box": [0, 0, 64, 96]}, {"box": [64, 0, 128, 96]}],
        },
        "people_three": {
            "size": [136, 88], "steps": 5, "seed": 72, "negative": None, "identity_noise": 0.35,
            "people": [
                {"mask": "mask_1.png", "prompt": "a man with a hat", "identity_strength": 1.1, "end": 0.7},
                {"box": [48, 8, 100, 80], "adapter_strength": 0.4, "photos": 2},
                {"box": [84, 0, 136, 80], "prompt": "a woman in the snow", "start": 0.2},
            ],
            "combine": "concat",
        },
        "people_unguided": {
            "size": [96, 80], "steps": 3, "seed": 73, "guidance": 1.0, "perturbed_guidance": 2.0, "region_mask": True,
            "identity_strength": 1.5,
            "people": [{"box": [0, 0, 56, 80]}, {"mask": "mask_2.png"}],
        },
        "region_mask": {"size": [88, 72], "steps": 4, "seed": 74, "region_mask": True, "identity_strength": 1.2},
    },
}  # fmt: skip

DEFAULT = {"perturbed_guidance": 0.0, "identity_noise": 0.0, "region_mask": False, "combine": "average"}


def make_mask(seed: int, size: list[int]) -> np.ndarray:
    """A soft disc."""
    draw = np.random.default_rng(seed)
    w, h = size
    x, y = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
    inside = 1.6 - np.hypot((x - draw.uniform(0.25, 0.4)) / 0.3, (y - 0.5) / 0.4)
    return (255 * np.clip(inside, 0, 1)).astype(np.uint8)


def box_mask(box: list[int], size: list[int]) -> np.ndarray:
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    left, top, right, bottom = box
    mask[max(top, 0) : bottom, max(left, 0) : right] = 255
    return mask


def as_tensor(mask: np.ndarray) -> torch.Tensor:
    return torch.tensor(mask, dtype=torch.float32)[None, None] / 255


class Person:
    """What a case says of a person, with a face drawn from a seed, inside the region."""

    def __init__(self, request: dict, choice: dict, index: int):
        draw = np.random.default_rng(1000 * request["seed"] + index)
        size = request["size"]
        first = draw.standard_normal(512)
        first *= 20 / np.linalg.norm(first)
        self.photos = [first] + [0.7 * first + 0.6 * draw.standard_normal(512) for _ in range(1, choice.get("photos", 1))]
        self.photos = np.float32(self.photos)
        self.region = make_mask(request["seed"] + index, size) if "mask" in choice else \
            box_mask(choice.get("box", [0, 0, *size]), size)  # fmt: skip
        ys, xs = np.nonzero(self.region)
        left, top, right, bottom = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        places = np.array([[0.33, 0.36], [0.67, 0.34], [0.52, 0.53], [0.37, 0.71], [0.66, 0.70]])
        places = 0.15 + 0.7 * places + draw.uniform(-0.03, 0.03, (5, 2))
        self.keypoints = np.float32(places * [right - left, bottom - top] + [left, top])
        margin = 0.3 * (self.keypoints.max(0) - self.keypoints.min(0))
        low, high = self.keypoints.min(0) - margin, self.keypoints.max(0) + margin
        self.face_box = [int(value) for value in (*low, *high)]
        self.prompt = choice.get("prompt")
        self.identity_strength = choice.get("identity_strength", request["identity_strength"])
        self.adapter_strength = choice.get("adapter_strength", request["adapter_strength"])
        self.start, self.end = choice.get("start", 0.0), choice.get("end", 1.0)

    def is_on(self, step: int, steps: int) -> bool:
        return not (step / steps < self.start or (step + 1) / steps > self.end)


def face_tokens(pipe, request: dict, person: Person) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the unconditional half and of the person, [1,photos * tokens,c]."""
    photos = torch.tensor(person.photos)
    if request["combine"] != "concat":
        photos = pipeline_extras.combined(photos, request["combine"])[None]
    empty = torch.zeros_like(photos)
    if request["identity_noise"] > 0:
        torch.manual_seed(int(torch.sum(photos).item()) % 1000000007)
        empty = request["identity_noise"] * torch.rand_like(photos)
    made = [torch.cat([pipe.image_proj_model(one[None, None]) for one in each], dim=1) for each in (empty, photos)]
    return made[0], made[1]


class FaceAttention(torch.nn.Module):
    """out + the sum over all people of weight * attn(q, k_ip, v_ip) * mask, as in ComfyUI_InstantID."""

    def __init__(self, inner, state: dict):
        super().__init__()
        self.inner, self.state = inner, state

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        q = attn.head_to_batch_dim(attn.to_q(hidden_states))

        def attend(k, v):
            probs = attn.get_attention_scores(q, attn.head_to_batch_dim(k), None)
            return attn.batch_to_head_dim(torch.bmm(probs, attn.head_to_batch_dim(v)))

        text = encoder_hidden_states
        out = attend(attn.to_k(text), attn.to_v(text))
        n, length = out.shape[:2]
        for tokens, weight, region, face in self.state["people"]:
            tokens = tokens[-n:] if len(tokens) >= n else tokens
            part = attend(self.inner.to_k_ip(tokens), self.inner.to_v_ip(tokens))
            h, w = self.state["levels"][length]
            mask = F.interpolate(region, size=(h, w), mode="bilinear").reshape(1, -1, 1)
            if face is not None:
                mask = mask * F.interpolate(face, size=(h, w), mode="nearest").reshape(1, -1, 1)
            out = out + weight * part * mask
        return attn.to_out[1](attn.to_out[0](out))


class Perturbed(torch.nn.Module):
    """Self-attention that is the identity for the last pictures of the batch."""

    def __init__(self, count: int):
        super().__init__()
        self.count = count

    def __call__(self, attn, hidden_states, **_):
        kept = hidden_states[: -self.count]
        q, k, v = (attn.head_to_batch_dim(layer(kept)) for layer in (attn.to_q, attn.to_k, attn.to_v))
        mixed = attn.batch_to_head_dim(torch.bmm(attn.get_attention_scores(q, k, None), v))
        mixed = torch.cat([mixed, attn.to_v(hidden_states[-self.count :])])
        return attn.to_out[1](attn.to_out[0](mixed))


def level_sizes(pipe, h: int, w: int) -> list[tuple[int, int]]:
    sizes = [(h, w)]
    for _ in pipe.unet.config.block_out_channels[1:]:
        sizes.append(tuple((side - 1) // 2 + 1 for side in sizes[-1]))
    return sizes


@torch.no_grad()
def run(pipe, module, request: dict, people: list[Person]) -> torch.Tensor:
    w, h = request["size"]
    steps, scale, perturbation = request["steps"], request["guidance"], request["perturbed_guidance"]
    guided, count = scale > 1, len(people)
    halves = 2 if guided else 1

    prompts = [person.prompt or request["prompt"] for person in people]
    encoded = [pipe.encode_prompt(prompt=prompt, negative_prompt=request["negative"], device="cpu",
                                  do_classifier_free_guidance=guided) for prompt in prompts]  # fmt: skip
    negatives = [each[1] for each in encoded] if guided else []
    negative_pooled = [each[3] for each in encoded] if guided else []
    text = torch.cat(negatives + [each[0] for each in encoded])
    pooled = torch.cat(negative_pooled + [each[2] for each in encoded])
    n = len(text)
    ids = torch.tensor([[h, w, 0, 0, h, w]], dtype=torch.float32).repeat(n, 1)
    added = {"text_embeds": pooled, "time_ids": ids}

    tokens = [face_tokens(pipe, request, person) for person in people]
    own_tokens = [each[half][:, : pipe.image_proj_model.latents.shape[1]]
                  for half in ([0, 1] if guided else [1]) for each in tokens]  # fmt: skip
    hints = [module.draw_kps(Image.new("RGB", (w, h)), person.keypoints) for person in people]
    hints = torch.cat([pipe.control_image_processor.preprocess(hint, height=h, width=w) for hint in hints]).repeat(halves, 1, 1, 1)

    extra = count if perturbation > 0 else 0
    sizes = level_sizes(pipe, h // 8, w // 8)
    state = {"levels": {a * b: (a, b) for a, b in sizes}}
    assert len(state["levels"]) == len(sizes)
    processors = {}
    for name, processor in pipe.unet.attn_processors.items():
        processors[name] = FaceAttention(processor, state) if "attn2" in name else processor
        if extra and "attn1" in name and name.startswith("mid_block"):
            processors[name] = Perturbed(extra)
    before = dict(pipe.unet.attn_processors)
    pipe.unet.set_attn_processor(dict(processors))

    region_masks = [as_tensor(person.region) for person in people]
    face_masks = [as_tensor(box_mask(person.face_box, request["size"])) if request["region_mask"] else None for person in people]
    blend = torch.cat([F.interpolate(mask, size=(h // 8, w // 8), mode="bilinear") for mask in region_masks])
    total = blend.sum(0, keepdim=True)
    blend = torch.where(total > 0, blend / total.clamp(min=1e-20), torch.full_like(blend, 1 / count))

    pipe.scheduler.set_timesteps(steps)
    generator = torch.Generator("cpu").manual_seed(request["seed"])
    latent = torch.randn(1, pipe.unet.config.in_channels, h // 8, w // 8, generator=generator) * pipe.scheduler.init_noise_sigma

    for step, t in enumerate(pipe.scheduler.timesteps):
        scaled = pipe.scheduler.scale_model_input(latent, t).repeat(n, 1, 1, 1)
        down, mid = pipe.controlnet(scaled, t, encoder_hidden_states=torch.cat(own_tokens), controlnet_cond=hints,
                                    added_cond_kwargs=added, return_dict=False)  # fmt: skip
        strengths = [person.identity_strength * person.is_on(step, steps) for person in people]
        factors = torch.tensor(strengths * halves)[:, None, None, None]

        def limited(residual):
            residual = residual * factors
            if request["region_mask"]:
                masks = torch.cat([F.interpolate(mask, size=residual.shape[2:], mode="bilinear") for mask in face_masks])
                residual = residual * masks.repeat(halves, 1, 1, 1)
            return residual

        down, mid = [limited(each) for each in down], limited(mid)
        state["people"] = []
        for person, (empty, own), region, face in zip(people, tokens, region_masks, face_masks):
            if person.is_on(step, steps):
                of_batch = torch.cat([empty] * (count if guided else 0) + [own] * (count + extra))
                state["people"].append((of_batch, person.adapter_strength, region, face))

        def last(value):
            return torch.cat([value, value[len(value) - extra :]])

        given = {"text_embeds": last(pooled), "time_ids": last(ids)}
        noise = pipe.unet(last(scaled), t, encoder_hidden_states=last(text), added_cond_kwargs=given,
                          down_block_additional_residuals=[last(each) for each in down],
                          mid_block_additional_residual=last(mid), return_dict=False)[0]  # fmt: skip
        conditional = (noise[n - count : n] * blend).sum(0, keepdim=True)
        made = conditional
        if guided:
            unconditional = noise[:count].mean(0, keepdim=True)
            made = unconditional + scale * (conditional - unconditional)
        if extra:
            made = made + perturbation * (conditional - (noise[n:] * blend).sum(0, keepdim=True))
        latent = pipe.scheduler.step(made, t, latent, generator=generator, return_dict=False)[0]
    pipe.unet.set_attn_processor(before)
    return latent


@torch.no_grad()
def decoded(pipe, latent: torch.Tensor) -> Image.Image:
    picture = pipe.vae.decode(latent / pipe.vae.config.scaling_factor, return_dict=False)[0]
    return pipe.image_processor.postprocess(picture, output_type="pil")[0]


def change(moved: torch.Tensor, latent: torch.Tensor) -> float:
    return float((moved - latent).norm() / latent.norm())


def write_case(pipe, module, checkpoint: str, name: str, out: Path) -> None:
    request = pipeline_cases.PLAIN | DEFAULT | {"checkpoint": checkpoint} | CASES[checkpoint][name]
    choices = request.get("people", [{}])
    people = [Person(request, choice, i) for i, choice in enumerate(choices)]
    latent = run(pipe, module, request, people)
    moved = 0.0
    for i, person in enumerate(people):
        kept = person.keypoints, person.face_box
        left, top, right, bottom = person.face_box
        person.keypoints, person.face_box = person.keypoints + np.float32([10, 0]), [left + 10, top, right + 10, bottom]
        by_this = change(run(pipe, module, request, people), latent)
        person.keypoints, person.face_box = kept
        print(f"{name}: changed {by_this:.1%} by the keypoints of person {i + 1}, shifted by 10 pixels")
        moved += by_this
    assert moved > 0.1, moved
    regions = [person.region for person in people]
    if len(people) > 1:
        for person, region in zip(people, regions[1:] + regions[:1]):
            person.region = region
        print(f"{name}: changed {change(run(pipe, module, request, people), latent):.1%} by other regions")
    out.mkdir(parents=True, exist_ok=True)
    for i, (choice, region, person) in enumerate(zip(choices, regions, people)):
        if "mask" in choice:
            Image.fromarray(region).save(out / choice["mask"])
        choice["keypoints"] = person.keypoints.tolist()
    if "people" not in request:
        request["keypoints"] = people[0].keypoints.tolist()
    request["embeddings"] = [person.photos.tolist() for person in people]
    if request["region_mask"]:
        request["face_boxes"] = [person.face_box for person in people]
    (out / "case.json").write_text(json.dumps(request, ensure_ascii=False) + "\n")
    np.save(out / "latents.npy", latent.numpy())
    decoded(pipe, latent).save(out / "picture.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pipeline", type=Path, required=True, help="the community file")
    parser.add_argument("--out", type=Path, default=pipeline.GOLDENS)
    parser.add_argument("--case", help="only this case")
    options = parser.parse_args()
    torch.set_num_threads(1)
    module = published.load_module(options.pipeline)
    for checkpoint, cases in CASES.items():
        folder = options.out / checkpoint
        pipe = published.load_pipeline(module, folder / "checkpoint", CONFIGS[checkpoint]["variant"])
        for name in cases:
            if options.case in (None, name):
                write_case(pipe, module, checkpoint, name, folder / name)


if __name__ == "__main__":
    main()
