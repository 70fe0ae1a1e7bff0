"""Makes the goldens of single ops: torch computes every line of tests/goldens/ops/cases.txt.

Computes in float64 and rounds once, so that a golden equals an exact kernel's result. The sinusoid is
diffusers' own, in its own precision. Pooling is also computed by onnxruntime; both must agree where torch
supports the case (it has no unequal pads).

    python tools/oracle/ops.py
"""

import argparse
import pathlib
import zlib

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.utils.torch_utils import fourier_filter
from safetensors.torch import save_file

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64, "i32": torch.int32}


def parse_case(line):
    """(name, op, [(dtype, shape)], attributes)"""
    name, op, *words = line.split()
    types, attributes = [], {}
    for word in words:
        if "=" in word:
            key, value = word.split("=")
            attributes[key] = parse_value(value)
        else:
            dtype, sizes = word.removeprefix("w:").rstrip("]").split("[")
            types.append((dtype, [int(size) for size in sizes.split(",") if size]))
    return name, op, types, attributes


def parse_value(text):
    if text.startswith("["):
        return [int(number) for number in text[1:-1].split(",") if number]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if any(c in text for c in ".e") else int(text)
    except ValueError:
        return text


def make_source(op, index, dtype, shape, types, random):
    if dtype == "i32":
        limit = types[1][1][0] if op == "embedding" else types[0][1][1] + 2 if op == "take_row" else 100
        low = -1 if op == "take_row" else 0
        return torch.from_numpy(random.randint(low, limit, shape).astype(np.int32))
    values = random.standard_normal(shape)
    if op == "batch_norm" and index == 4:
        values = np.abs(values) + 0.1
    if op == "binary" and index == 1:
        values = values + np.sign(values)  # away from zero, for div
    if op == "group_scale" and index == 1:  # count, mean, sum of squared distances
        values[..., 0] = np.arange(values[..., 0].size).reshape(shape[:-1]) % 7 + 1
        values[..., 2] = np.square(values[..., 2]) * values[..., 0]
        return torch.from_numpy(values)
    if op == "sinusoid":
        values = np.array([999, 1, 0.5, 250.25])[: shape[0]]
    return torch.from_numpy(np.asarray(values, dtype=np.float32).reshape(shape)).to(DTYPES[dtype])


def nchw(x):
    return x.movedim(-1, 1)


def nhwc(x):
    return x.movedim(1, -1)


def conv2d(src, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), groups=1, has_bias=True, has_residual=False):
    x = F.pad(nchw(src[0]), (pad[1], pad[3], pad[0], pad[2]))
    y = nhwc(F.conv2d(x, src[1], src[2] if has_bias else None, stride, 0, dilation, groups))
    return y + src[-1] if has_residual else y


def linear(src, has_bias=True, has_residual=False):
    y = F.linear(src[0], src[1], src[2] if has_bias else None)
    return y + src[-1] if has_residual else y


def attention(src, heads=1, causal=False, scale=0.0):
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in src)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale or None)
    return y.transpose(1, 2).flatten(-2)


def group_norm(src, groups=32, eps=1e-5, silu=False):
    y = nhwc(F.group_norm(nchw(src[0]), groups, src[1], src[2], eps))
    return F.silu(y) if silu else y


def group_moments(src, groups=32, chunk_pixels=128):
    pixels = src[0].flatten(1, -2).unflatten(-1, (groups, -1))
    chunks = [
        torch.stack((torch.full_like(x[:, 0, :, 0], x.shape[1] * x.shape[3]), x.mean((1, 3)), x.var((1, 3), correction=0) * x.shape[1] * x.shape[3]), -1)
        for x in pixels.split(chunk_pixels, 1)
    ]
    return torch.stack(chunks, 1)


def group_scale(src, groups=32, eps=1e-5, silu=False):
    """Combines the chunks' means and variances."""
    x, moments, weight, bias = src
    count, mean, squares = moments.unbind(-1)
    share = count / count.sum(1, keepdim=True)
    whole = (share * mean).sum(1, keepdim=True)
    variance = (share * (squares / count + (mean - whole) ** 2)).sum(1)
    shape = (len(x), *[1] * (x.ndim - 2), groups, 1)
    y = (x.unflatten(-1, (groups, -1)) - whole.reshape(shape)) / torch.sqrt(variance.reshape(shape) + eps)
    y = y.flatten(-2) * weight + bias
    return F.silu(y) if silu else y


def paste(src, begin=0):
    y = src[0].clone()
    y[..., begin : begin + src[1].shape[-1]] = src[1]
    return y


def batch_norm(src, eps=1e-5):
    x, weight, bias, mean, variance = src
    return nhwc(F.batch_norm(nchw(x), mean, variance, weight, bias, False, 0.0, eps))


UNARY = {
    "silu": F.silu,
    "gelu": F.gelu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "tanh": torch.tanh,
}


def binary(src, fn="add", scale=1.0):
    x, y = src
    return {"add": lambda: torch.add(x, y, alpha=scale), "sub": lambda: x - y, "mul": lambda: x * y, "div": lambda: x / y}[fn]()


def geglu(src):
    x, gate = src[0].chunk(2, dim=-1)
    return x * F.gelu(gate)


def slice_(src, axis=0, begin=0, end=0, step=1):
    index = [slice(None)] * src[0].ndim
    index[axis] = slice(begin, end, step)
    return src[0][tuple(index)]


def upsample(src, height, width):
    return nhwc(F.interpolate(nchw(src[0]).float(), (height, width), mode="nearest"))


def onnx_pool(x, fn, kernel, stride, pad, ceil, count_pad):
    count = {"count_include_pad": int(count_pad)} if fn == "average" else {}
    node = onnx.helper.make_node(
        "MaxPool" if fn == "max" else "AveragePool", ["x"], ["y"], kernel_shape=kernel, strides=stride, pads=pad, ceil_mode=int(ceil), **count
    )
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4)
    graph = onnx.helper.make_graph([node], "pool", [value("x")], [value("y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"x": nchw(x).float().contiguous().numpy()})[0])


def pool(src, fn="max", kernel=(1, 1), stride=(1, 1), pad=(0, 0, 0, 0), ceil=False, count_pad=False):
    by_onnx = onnx_pool(src[0], fn, list(kernel), list(stride), list(pad), ceil, count_pad)
    if pad[0] == pad[2] and pad[1] == pad[3]:
        x, pads = nchw(src[0]), (pad[0], pad[1])
        if fn == "max":
            by_torch = F.max_pool2d(x, kernel, stride, pads, ceil_mode=ceil)
        else:
            by_torch = F.avg_pool2d(x, kernel, stride, pads, ceil_mode=ceil, count_include_pad=count_pad)
        torch.testing.assert_close(by_torch.float(), by_onnx, rtol=1e-6, atol=1e-6)
    return nhwc(by_onnx)


OPS = {
    "conv2d": conv2d,
    "linear": linear,
    "attention": attention,
    "group_norm": group_norm,
    "group_moments": group_moments,
    "group_scale": group_scale,
    "layer_norm": lambda src, eps=1e-5: F.layer_norm(src[0], src[1].shape, src[1], src[2], eps),
    "batch_norm": batch_norm,
    "unary": lambda src, fn="silu": UNARY[fn](src[0]),
    "binary": binary,
    "affine": lambda src, scale=1.0, shift=0.0: src[0] * scale + shift,
    "prelu": lambda src: nhwc(F.prelu(nchw(src[0]), src[1])),
    "geglu": geglu,
    "concat": lambda src, axis=-1: torch.cat(src, dim=axis),
    "slice": slice_,
    "paste": paste,
    "spill": lambda src: src[0],
    "fetch": lambda src: src[0],
    "transpose": lambda src, perm: src[0].permute(perm),
    "upsample": upsample,
    "scale_low_frequencies": lambda src, scale=1.0: nhwc(fourier_filter(nchw(src[0]), 1, scale)),
    "pool": pool,
    "embedding": lambda src: src[1][src[0].long()],
    "take_row": lambda src: torch.stack([x[int(row.clamp(0, len(x) - 1))] for x, row in zip(*src)]),
    "convert": lambda src, dtype="f32": src[0].to(DTYPES[dtype]),
}


def compute(op, src, attributes):
    if op == "sinusoid":
        return get_timestep_embedding(
            src[0], attributes.get("dim", 320), attributes.get("flip", True), attributes.get("shift", 0)
        )
    if op == "convert":
        return OPS[op](src, **attributes)
    result = OPS[op]([x.double() if x.is_floating_point() else x for x in src], **attributes)
    if op == "group_moments":
        return result
    return result.float() if result.is_floating_point() else result


def main():
    folder = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "ops"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=folder, help="folder of cases.txt and ops.safetensors")
    folder = parser.parse_args().folder
    tensors = {}
    for line in (folder / "cases.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, op, types, attributes = parse_case(line)
        random = np.random.RandomState(zlib.crc32(name.encode()))
        src = [make_source(op, i, dtype, shape, types, random) for i, (dtype, shape) in enumerate(types)]
        for i, tensor in enumerate(src):
            tensors[f"{name}.{i}"] = tensor
        tensors[f"{name}.dst"] = compute(op, src, attributes).clone(memory_format=torch.contiguous_format)
    save_file(tensors, folder / "ops.safetensors")


if __name__ == "__main__":
    main()
