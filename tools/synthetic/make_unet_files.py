#!/usr/bin/env python3
"""Writes files that people combine with a checkpoint, for a UNet of any size: a quantised copy, and a random LoRA.

    python make_unet_files.py UNET.safetensors --gguf FILE [--type Q4_0]
    python make_unet_files.py UNET.safetensors --lora FILE [--rank 64] [--seed N]

UNET is a UNet in diffusers' layout, such as make_checkpoint.py's. The GGUF has its names and, as ComfyUI-GGUF writes
it, every large weight in the type, also convolutions, with the true shape beside it; the rest is F16. The LoRA has factors for every linear layer and convolution,
in peft's names, fp16. Tensors are read and written one at a time. Needs torch, safetensors; for GGUF gguf.
"""

import argparse
import math
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

ROW = 256  # the length of the rows into which ComfyUI-GGUF reshapes weights


def write_gguf(unet: Path, out: Path, type_name: str) -> None:
    import gguf

    kind = gguf.GGMLQuantizationType[type_name]
    block = gguf.GGML_QUANT_SIZES[kind][0]
    writer = gguf.GGUFWriter(out, "sdxl", use_temp_file=True)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    with safe_open(unet, "pt") as tensors:
        for name in tensors.keys():
            tensor = tensors.get_tensor(name)
            if tensor.ndim < 2 or tensor.numel() % ROW != 0:
                writer.add_tensor(name, tensor.half().numpy())
                continue
            if tensor.shape[-1] % block != 0:  # a row must consist of whole blocks
                writer.add_array(f"comfy.gguf.orig_shape.{name}", list(tensor.shape))
                tensor = tensor.reshape(-1, ROW)
            writer.add_tensor(name, gguf.quants.quantize(tensor.float().numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_lora(unet: Path, out: Path, rank: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    with safe_open(unet, "pt") as tensors:
        for name in tensors.keys():
            shape = tensors.get_slice(name).get_shape()
            if len(shape) < 2:
                continue
            module, ones = f"unet.{name.removesuffix('.weight')}", [1] * (len(shape) - 2)
            down = torch.randn([rank, *shape[1:]], generator=generator) / math.sqrt(math.prod(shape[1:]))
            up = 0.02 * torch.randn([shape[0], rank, *ones], generator=generator)
            factors[f"{module}.lora_A.weight"] = down.half()
            factors[f"{module}.lora_B.weight"] = up.half()
    save_file(factors, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("unet", type=Path)
    parser.add_argument("--gguf", type=Path, help="the quantised copy to write")
    parser.add_argument("--type", default="Q4_0", help="of its weights, as gguf names it")
    parser.add_argument("--lora", type=Path, help="the LoRA to write")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.gguf:
        write_gguf(options.unet, options.gguf, options.type)
    if options.lora:
        write_lora(options.unet, options.lora, options.rank, options.seed)


if __name__ == "__main__":
    main()
