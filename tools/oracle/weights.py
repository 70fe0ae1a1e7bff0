"""Writes the goldens of the weights room with the packages that write published checkpoints:
safetensors, torch, diffusers and transformers.

Each readable file or folder has a NAME.expected.json beside it: {name: {dtype, shape, values}} as read
back by the package. Hostile pickles are assembled by hand; loading one with
pickle.load would run a harmless `true`.

    python tools/oracle/weights.py [--out tests/goldens/weights]

Needs torch 2.13, safetensors, diffusers 0.42, transformers 5. Values come from a fixed rule or seed.
"""

import argparse
import collections
import io
import json
import pathlib
import pickle
import shutil
import tarfile
import zipfile

import single_file
import torch
import weight_formats
from safetensors.torch import load_file, save_file

NAMES = {
    torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16", torch.float64: "f64",
    torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8",
    torch.uint8: "u8", torch.bool: "bool",
}


def ramp(shape, dtype):
    """-3, -2, ... 3, -3, ...: exact in every type (absolute values for the unsigned)."""
    count = int(torch.tensor(shape).prod()) if shape else 1
    values = torch.arange(count) % 7 - 3
    if dtype in (torch.uint8, torch.bool):
        values = values.abs()
    return values.to(dtype).reshape(shape)


def expect(path, tensors):
    content = {
        name: {
            "dtype": NAMES[t.dtype],
            "shape": list(t.shape),
            "values": t.detach().to(torch.float64).flatten().tolist(),
        }
        for name, t in sorted(tensors.items())
    }
    path.with_name(path.name + ".expected.json").write_text(json.dumps(content) + "\n")


def flatten(value, prefix=""):
    out = {}
    for name, item in value.items():
        if isinstance(item, dict):
            out.update(flatten(item, f"{prefix}{name}."))
        elif isinstance(item, torch.Tensor):
            out[f"{prefix}{name}"] = item
    return out


def safetensors_types(out):
    tensors = {f"{name}.{'x'.join(map(str, shape)) or 'scalar'}": ramp(shape, dtype)
               for dtype, name in NAMES.items() for shape in [(), (3,), (2, 5), (0, 4)]}
    save_file(tensors, out / "types.safetensors", metadata={"format": "pt"})
    expect(out / "types.safetensors", tensors)


def components(out):
    """Folders written by diffusers and transformers: whole, in shards, fp16."""
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    model = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, layers_per_block=1,
                          down_block_types=("DownEncoderBlock2D",),
                          up_block_types=("UpDecoderBlock2D",), mid_block_add_attention=False)
    model.save_pretrained(out / "shards", max_shard_size="4KB")
    expect(out / "shards", model.state_dict())
    model.save_pretrained(out / "bin", safe_serialization=False)
    expect(out / "bin", model.state_dict())
    half = model.half()
    half.save_pretrained(out / "fp16_shards", max_shard_size="3KB", variant="fp16")
    expect(out / "fp16_shards", half.state_dict())
    half.save_pretrained(out / "fp16", variant="fp16")
    expect(out / "fp16", half.state_dict())

    config = CLIPTextConfig(vocab_size=11, hidden_size=4, intermediate_size=8, num_hidden_layers=1,
                            num_attention_heads=2, max_position_embeddings=5)
    encoder = CLIPTextModel(config)
    encoder.save_pretrained(out / "text_encoder")
    expect(out / "text_encoder", load_file(out / "text_encoder" / "model.safetensors"))
    for config_file in out.glob("*/config.json"):
        config_file.unlink()


def torch_archives(out):
    base = ramp((4, 6), torch.float32)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).half()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(ramp(tuple(parameter.shape), torch.float16))
    nested = {
        "image_proj": collections.OrderedDict([
            ("latents", base), ("shared_rows", base[1:3]), ("shared_flat", base.view(-1)[7:9]),
            ("one_wide", ramp((3, 1, 2), torch.float32).transpose(0, 1)[:, :1]),
        ]),
        "ip_adapter": {
            "1.to_k_ip.weight": ramp((2, 2), torch.float16),
            "3.to_k_ip.weight": torch.nn.Parameter(ramp((2, 3), torch.bfloat16)),
        },
        "module": module.state_dict(),
        "types": {name: ramp((2, 2), dtype) for dtype, name in NAMES.items()},
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "by_number": {7: ramp((2,), torch.float32)},
        "step": 12, "large": 1 << 40, "negative": -70000, "rate": 0.5, "flag": True, "none": None,
        "list": [1, 2], "tuple": (1, 2, 3, 4), "size": torch.Size([1, 2]), "dtype": torch.float16,
    }
    for protocol in (2, 4, 5):
        name = f"nested_{protocol}.bin"
        torch.save(nested, out / name, pickle_protocol=protocol)
    expect(out / "nested.bin", flatten(nested))
    torch.save({"deep": {"turned": base.t()}}, out / "transposed.bin")
    torch.save(base, out / "bare_tensor.bin")
    torch.save({"a": base}, out / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), out / "module.bin")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), out / "torchscript.bin")

    torch.save({"a": ramp((4,), torch.float32)}, out / "plain.bin")
    with zipfile.ZipFile(out / "plain.bin") as source:
        entries = {info.filename: source.read(info) for info in source.infolist()}
    repack(out / "compressed.bin", entries, zipfile.ZIP_DEFLATED)
    repack(out / "repacked.bin", entries, zipfile.ZIP_STORED)
    repack(out / "big_endian.bin", {**entries, "plain/byteorder": b"big"}, zipfile.ZIP_STORED)
    repack(out / "no_pickle.bin", {"plain/version": b"3\n"}, zipfile.ZIP_STORED)
    return entries


def repack(path, entries, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)


def hostile(out, entries):
    class Call:
        def __init__(self, function, *arguments):
            self.call = function, arguments

        def __reduce__(self):
            return self.call

    import os
    pickles = {
        "hostile_system": pickle.dumps({"a": Call(os.system, "true")}, protocol=2),
        "hostile_stack_global": pickle.dumps({"a": Call(os.system, "true")}, protocol=4),
        "hostile_eval": pickle.dumps({"a": Call(eval, "1")}, protocol=2),
        "hostile_persistent_id": b"\x80\x02}X\x01\x00\x00\x00aX\x04\x00\x00\x00evilQs.",
    }
    for name, data in pickles.items():
        repack(out / f"{name}.bin", {**entries, "plain/data.pkl": data}, zipfile.ZIP_STORED)


def other_formats(out):
    content = io.BytesIO(b"weights")
    with tarfile.open(out / "archive.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("weights")
        info.size = 7
        archive.addfile(info, content)
    data = (out / "archive.tar").read_bytes()
    (out / "archive.tar").write_bytes(data[:1024])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests/goldens/weights")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    safetensors_types(out)
    components(out)
    hostile(out, torch_archives(out))
    other_formats(out)
    weight_formats.write(out)
    single_file.write(out)


if __name__ == "__main__":
    main()
