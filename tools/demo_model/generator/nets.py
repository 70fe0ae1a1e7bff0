"""Builds the networks: diffusers' and transformers' classes with the sizes of configs.py.

Training uses its own attention processors. They compute the same as diffusers' with plain matrix products,
whose backward pass on a CPU at these sizes is three times as fast as the fused kernel's.
"""

import math

import torch
from torch import nn

from . import configs, vocabulary


def text_encoders(ids: dict[str, int]):
    """Both text encoders, with random weights."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    made = []
    for sizes, kind in (
        (configs.TEXT_ENCODER, CLIPTextModel),
        (configs.TEXT_ENCODER_2, CLIPTextModelWithProjection),
    ):
        config = CLIPTextConfig(
            vocab_size=len(ids),
            hidden_size=sizes["hidden_size"],
            intermediate_size=3 * sizes["hidden_size"],
            num_hidden_layers=sizes["layers"],
            num_attention_heads=sizes["heads"],
            hidden_act=sizes["hidden_act"],
            projection_dim=sizes.get("projection_dim", sizes["hidden_size"]),
            max_position_embeddings=configs.CONTEXT,
            bos_token_id=ids[vocabulary.START],
            eos_token_id=ids[vocabulary.END],
            pad_token_id=ids[vocabulary.END] if kind is CLIPTextModel else 0,
        )
        config._attn_implementation = "eager"
        made.append(kind(config))
    return made


def unet():
    from diffusers import UNet2DConditionModel

    made = UNet2DConditionModel(**configs.UNET)
    made.set_attn_processor(TextAttention())
    return made


def identitynet(of):
    """A ControlNet that starts as a copy of the UNet's encoder with zero output."""
    from diffusers import ControlNetModel

    made = ControlNetModel.from_unet(of, **configs.IDENTITYNET)
    made.set_attn_processor(TextAttention())
    return made


def vae(scaling_factor: float = 1.0):
    from diffusers import AutoencoderKL

    levels = len(configs.VAE["block_out_channels"])
    made = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        scaling_factor=scaling_factor,
        **configs.VAE,
    )
    for half in (made.encoder, made.decoder):
        half.mid_block.attentions[0].set_processor(PictureAttention())
    return made


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[n, tokens, heads * width] to [n * heads, tokens, width]."""
    n, tokens, channels = x.shape
    return x.view(n, tokens, heads, channels // heads).transpose(1, 2).reshape(n * heads, tokens, -1)


def join_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    rows, tokens, width = x.shape
    joined = x.view(rows // heads, heads, tokens, width).transpose(1, 2)
    return joined.reshape(rows // heads, tokens, heads * width)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    weights = torch.bmm(q * q.shape[-1] ** -0.5, k.transpose(1, 2)).softmax(-1).to(v.dtype)
    return torch.bmm(weights, v)


class TextAttention:
    """Self-attention, or attention to a text or to face tokens."""

    def __call__(self, attn, hidden, encoder_hidden_states=None, temb=None, **_):
        read = hidden if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (split_heads(part, attn.heads)
                   for part in (attn.to_q(hidden), attn.to_k(read), attn.to_v(read)))  # fmt: skip
        return attn.to_out[0](join_heads(attend(q, k, v), attn.heads))


class PictureAttention:
    """The VAE's self-attention over the positions of a picture: one head, with norm and residual."""

    def __call__(self, attn, hidden, temb=None, **_):
        n, channels, height, width = hidden.shape
        x = attn.group_norm(hidden.flatten(2)).transpose(1, 2)
        y = attn.to_out[0](attend(attn.to_q(x), attn.to_k(x), attn.to_v(x)))
        return y.transpose(1, 2).reshape(n, channels, height, width) + hidden


class FaceAttention(nn.Module):
    """Attention to text and, with separate keys and values, to the face tokens after the text."""

    def __init__(self, width: int, cross_width: int):
        super().__init__()
        # A tensor, so that one torch.compile result works for every strength.
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)
        self.to_k_ip = nn.Linear(cross_width, width, bias=False)
        self.to_v_ip = nn.Linear(cross_width, width, bias=False)

    def forward(self, attn, hidden, encoder_hidden_states=None, temb=None, **_):
        queries = configs.RESAMPLER["queries"]
        text, face = encoder_hidden_states[:, :-queries], encoder_hidden_states[:, -queries:]
        q, k, v = (split_heads(part, attn.heads)
                   for part in (attn.to_q(hidden), attn.to_k(text), attn.to_v(text)))  # fmt: skip
        k_face, v_face = (split_heads(part, attn.heads)
                          for part in (self.to_k_ip(face), self.to_v_ip(face)))  # fmt: skip
        y = attend(q, k, v) + self.scale * attend(q, k_face, v_face)
        return attn.to_out[0](join_heads(y, attn.heads))


def face_attention(of) -> nn.ModuleDict:
    """Adds the adapter's layers to the UNet. Keys are their numbers in the adapter's file: the index of
    the attention among all of the UNet's processors."""
    layers, processors = nn.ModuleDict(), {}
    for number, name in enumerate(of.attn_processors):
        block = of.get_submodule(name.removesuffix(".processor"))
        if not name.endswith("attn2.processor"):
            processors[name] = TextAttention()
            continue
        processors[name] = FaceAttention(block.to_q.out_features, configs.CROSS_WIDTH)
        # Starts as a weaker copy of the text's projections, a sensible initialisation.
        processors[name].to_k_ip.load_state_dict(block.to_k.state_dict())
        processors[name].to_v_ip.load_state_dict(block.to_v.state_dict())
        with torch.no_grad():
            processors[name].to_v_ip.weight.mul_(0.1)
        layers[str(number)] = processors[name]
    of.set_attn_processor(processors)
    return layers


class PerceiverAttention(nn.Module):
    """The latents attend to the input and themselves. Heads are 64 wide, as published."""

    WIDTH = 64

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, inner = heads, self.WIDTH * heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, x, latents):
        x, latents = self.norm1(x), self.norm2(latents)
        k, v = self.to_kv(torch.cat([x, latents], dim=1)).chunk(2, dim=-1)
        q, k, v = (split_heads(part, self.heads) for part in (self.to_q(latents), k, v))
        return self.to_out(join_heads(attend(q, k, v), self.heads))


class Resampler(nn.Module):
    """A face embedding [n, 1, 512] to the face tokens [n, queries, cross width]."""

    def __init__(self):
        super().__init__()
        width, cross_width = configs.RESAMPLER["width"], configs.CROSS_WIDTH
        self.latents = nn.Parameter(
            torch.randn(1, configs.RESAMPLER["queries"], width) / math.sqrt(width)
        )
        self.proj_in = nn.Linear(configs.EMBEDDING_WIDTH, width)
        self.proj_out = nn.Linear(width, cross_width)
        self.norm_out = nn.LayerNorm(cross_width)
        self.layers = nn.ModuleList()
        for _ in range(configs.RESAMPLER["depth"]):
            attention = PerceiverAttention(width, configs.RESAMPLER["heads"])
            forward = nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 4 * width, bias=False),
                nn.GELU(),
                nn.Linear(4 * width, width, bias=False),
            )
            self.layers.append(nn.ModuleList([attention, forward]))

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        latents = self.latents.expand(len(embedding), -1, -1)
        x = self.proj_in(embedding)
        for attention, forward in self.layers:
            latents = attention(x, latents) + latents
            latents = forward(latents) + latents
        return self.norm_out(self.proj_out(latents))
