"""Writes the goldens of the stored formats: 8-bit floats, GGUF, and trainers' checkpoints, with the
packages that write such files (safetensors, gguf, torch).

NAME.expected.safetensors, beside NAME, has the same tensor names in f32, widened by torch or
gguf-py. Values are random bytes from a seed, so that every bit pattern occurs.

    python tools/oracle/weight_formats.py [--out tests/goldens/weights]

Needs torch 2.13, safetensors, gguf 0.19.
"""

import argparse
import io
import json
import pathlib
import sys
import types

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as G
from safetensors.torch import save_file

BLOCKS = [G.Q4_0, G.Q4_1, G.Q5_0, G.Q5_1, G.Q8_0, G.Q4_K, G.Q5_K, G.Q6_K]
# Where a block's f16 scales are.
FACTORS = {G.Q4_0: [0], G.Q4_1: [0, 2], G.Q5_0: [0], G.Q5_1: [0, 2], G.Q8_0: [0],
           G.Q4_K: [0, 2], G.Q5_K: [0, 2], G.Q6_K: [208]}  # fmt: skip


def expect(path, tensors):
    wide = {name: tensor.to(torch.float32).clone() for name, tensor in tensors.items()}
    save_file(wide, path.with_name(path.name + ".expected.safetensors"))


def fp8(out):
    every = torch.arange(256, dtype=torch.uint8)
    tensors = {
        "e4m3": every.view(torch.float8_e4m3fn),
        "e5m2": every.clone().reshape(16, 16).view(torch.float8_e5m2),
    }
    save_file(tensors, out / "fp8_all.safetensors")
    expect(out / "fp8_all.safetensors", tensors)


def fp8_weight(shape, generator, dtype=torch.float8_e4m3fn):
    return torch.randn(shape, generator=generator).to(dtype)


def fp8_scaled(out):
    """As ComfyUI writes it: a marker, and a scale for each linear layer."""
    r = torch.Generator().manual_seed(1)
    p = "model.diffusion_model."
    tensors = {
        f"{p}a.weight": fp8_weight((3, 5), r),
        f"{p}a.bias": torch.randn(3, generator=r).half(),
        f"{p}b.weight": fp8_weight((4, 6), r),
        f"{p}conv.weight": fp8_weight((2, 3, 3, 3), r),
        f"{p}norm.weight": torch.randn(4, generator=r).half(),
        "first_stage_model.c.weight": fp8_weight((2, 2), r),
    }
    factors = {f"{p}a": torch.tensor(0.0371), f"{p}b": torch.tensor([1.75])}
    stored = dict(tensors)
    stored |= {f"{layer}.scale_weight": factor for layer, factor in factors.items()}
    stored |= {f"{layer}.scale_input": torch.tensor(1.0) for layer in factors}
    stored[f"{p}scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)
    widened = {name: tensor.float() for name, tensor in tensors.items()}
    for layer, factor in factors.items():
        widened[f"{layer}.weight"] = widened[f"{layer}.weight"] * factor
    save_file(stored, out / "fp8_scaled.safetensors")
    expect(out / "fp8_scaled.safetensors", widened)


def fp8_layers(out):
    """The newer way: the metadata, or a tensor for each layer, says how it is stored."""
    r = torch.Generator().manual_seed(2)
    formats = {"a": torch.float8_e4m3fn, "b": torch.float8_e5m2}
    weights = {layer: fp8_weight((4, 3), r, dtype) for layer, dtype in formats.items()}
    factors = {layer: torch.rand((), generator=r) for layer in formats}
    plain = {"c.weight": fp8_weight((2, 2), r), "c.bias": torch.randn(2, generator=r)}
    said = {layer: {"format": str(dtype).removeprefix("torch.")} for layer, dtype in formats.items()}
    stored = {f"{layer}.weight": weight for layer, weight in weights.items()} | plain
    stored |= {f"{layer}.weight_scale": factor for layer, factor in factors.items()}
    stored["a.input_scale"] = torch.tensor(0.5)
    widened = {f"{layer}.weight": weights[layer].float() * factors[layer] for layer in formats} | plain
    metadata = {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": said})}
    save_file(stored, out / "fp8_metadata.safetensors", metadata=metadata)
    expect(out / "fp8_metadata.safetensors", widened)
    for layer, format in said.items():
        text = json.dumps(format | {"full_precision_matrix_mult": True}).encode()
        stored[f"{layer}.comfy_quant"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    save_file(stored, out / "fp8_layers.safetensors")
    expect(out / "fp8_layers.safetensors", widened)


def random_blocks(random, dtype, rows, blocks_a_row):
    """Bytes of random blocks with finite scales, [rows, bytes]."""
    size = gguf.GGML_QUANT_SIZES[dtype][1]
    blocks = random.integers(0, 256, (rows * blocks_a_row, size), dtype=np.uint8)
    for at in FACTORS[dtype]:
        factor = random.normal(0, 0.05, len(blocks)).astype(np.float16)
        factor[0] = 6e-8  # the least f16 above 0
        blocks[:, at : at + 2] = factor.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


class Gguf:
    def __init__(self, path, architecture=None):
        self.path = path
        self.writer = gguf.GGUFWriter(path, architecture or "none")
        if architecture is None:
            self.writer.kv_data[0].clear()  # as stable-diffusion.cpp writes: no entry at all
        self.expected = {}

    def blocks(self, name, data, dtype, shape=None):
        self.writer.add_tensor(name, data, raw_dtype=dtype)
        values = torch.from_numpy(gguf.quants.dequantize(data, dtype).copy())
        if shape is not None:
            self.writer.add_array(f"comfy.gguf.orig_shape.{name}", list(shape))
            values = values.reshape(shape)
        self.expected[name] = values

    def plain(self, name, array, dtype=None):
        self.writer.add_tensor(name, array, raw_dtype=dtype)
        self.expected[name] = torch.from_numpy(array.astype(np.float32))

    def close(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        expect(self.path, self.expected)


def gguf_blocks(out):
    """Every type that can be read, with entries of every type of value."""
    random = np.random.default_rng(3)
    file = Gguf(out / "blocks.gguf", "sdxl")
    w = file.writer
    w.add_quantization_version(2)
    w.add_file_type(15)
    for name, value in {"u8": 1, "i8": -1, "u16": 2, "i16": -2, "i32": -3, "u64": 4, "i64": -4}.items():
        getattr(w, {"u": "add_uint", "i": "add_int"}[name[0]] + name[1:])(f"some.{name}", value)
    w.add_float32("some.f32", 0.5)
    w.add_float64("some.f64", 0.25)
    w.add_bool("some.bool", True)
    w.add_string("some.text", "words")
    w.add_array("some.texts", ["a", "", "ccc"])
    w.add_array("some.numbers", [1.5, 2.5])
    for dtype in BLOCKS:
        elements = gguf.GGML_QUANT_SIZES[dtype][0]
        blocks_a_row = 3 if elements == 32 else 2
        file.blocks(dtype.name.lower(), random_blocks(random, dtype, 3, blocks_a_row), dtype)
    numbers = random.normal(0, 1, (3, 5)).astype(np.float32)
    file.plain("f32", numbers)
    file.plain("f16", numbers.astype(np.float16))
    half = gguf.quants.quantize(numbers, G.BF16)
    file.writer.add_tensor("bf16", half, raw_dtype=G.BF16)
    file.expected["bf16"] = torch.from_numpy(gguf.quants.dequantize(half, G.BF16).copy())
    file.plain("i32", np.arange(-3, 3, dtype=np.int32).reshape(1, 2, 3))
    file.plain("f64", np.array([0.5, -2.0]))
    file.close()


def gguf_rows(out):
    """ComfyUI-GGUF's rows of 256: the blocks of the flattened tensor, so rows can begin inside a block."""
    random = np.random.default_rng(4)
    file = Gguf(out / "rows.gguf", "sdxl")
    for dtype in BLOCKS:
        # A row of 640 is 2.5 blocks of 256, one of 3x3x8 is 2.25 of 32.
        for name, shape in {"linear": (6, 640), "conv": (32, 8, 3, 3)}.items():
            rows = int(np.prod(shape)) // 256
            data = random_blocks(random, dtype, rows, 256 // gguf.GGML_QUANT_SIZES[dtype][0])
            file.blocks(f"{name}.{dtype.name.lower()}", data, dtype, shape)
    file.plain("norm.weight", random.normal(0, 1, 6).astype(np.float32))
    file.close()


def made_class(module, name, base=object):
    """A class from a package that no reader of weights has."""
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    made = type(name, (base,), {"__module__": module, "__qualname__": name})
    setattr(sys.modules[module], name, made)
    return made


def save_legacy(value, path):
    """As torch before 1.6. Storages are named by their addresses: here by numbers, in order."""
    names = {}

    class Named(str):
        def __new__(cls, address):
            return str.__new__(str, names.setdefault(address, f"{10**13 + len(names)}"))

    content = io.BytesIO()
    torch.serialization.str = Named
    torch.save(value, content, _use_new_zipfile_serialization=False)
    del torch.serialization.str
    path.write_bytes(content.getvalue())


def trainer(out):
    """What PyTorch Lightning saves: the tensors in "state_dict" and objects of its classes."""
    r = torch.Generator().manual_seed(5)
    callback = made_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    config = made_class("omegaconf.dictconfig", "DictConfig")
    settings = config()
    settings._content = {"lr": 1e-4, "betas": (0.9, 0.95), "path": pathlib.PurePosixPath("runs/1")}
    named = made_class("training", "Named", dict)(rate=np.float64(0.5), seen={1, 2}, raw=b"bytes")
    tensors = {
        "model.diffusion_model.a.weight": torch.randn((3, 4), generator=r).half(),
        "model_ema.decay": torch.tensor(0.9999),
        "betas": torch.rand(5, generator=r, dtype=torch.float64),
        "first_stage_model.b.bias": torch.randn(7, generator=r),
    }
    saved = {
        "epoch": 3, "global_step": 12, "pytorch-lightning_version": "1.5.9", "big": 1 << 80,
        "callbacks": {callback: {"best_model_score": torch.tensor(1.0), "best": np.float32(2)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [named]}],
        "hyper_parameters": settings, "frozen": frozenset([1]),
        "state_dict": tensors,
    }  # fmt: skip
    for protocol in (2, 4):
        torch.save(saved, out / f"trainer_{protocol}.ckpt", pickle_protocol=protocol)
    save_legacy(saved, out / "trainer_legacy.ckpt")
    torch.save({"state_dict": {"state_dict": tensors}, "a": 1}, out / "trainer_twice.ckpt")
    expect(out / "trainer.ckpt", tensors)
    shared = torch.arange(12.0)
    legacy = {"whole": shared, "part": shared[3:9].view(2, 3), "half": shared[:4].half()}
    save_legacy(legacy, out / "shared_legacy.pt")
    expect(out / "shared_legacy.pt", legacy)


def write(out):
    out = out / "formats"
    out.mkdir(parents=True, exist_ok=True)
    fp8(out)
    fp8_scaled(out)
    fp8_layers(out)
    gguf_blocks(out)
    gguf_rows(out)
    trainer(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/goldens/weights")
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
