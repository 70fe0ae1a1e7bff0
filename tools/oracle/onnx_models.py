#!/usr/bin/env python3
"""Makes ONNX face models with the published structures and random weights, and onnxruntime's results
for them.

  onnx_models.py goldens tests/goldens/onnx     small models (committed) with their outputs
  onnx_models.py corpus fuzz/corpus/onnx        tiny models as seeds for the fuzzer (committed)
  onnx_models.py full FOLDER                    the published sizes (about 265 MB), with outputs

iresnet:  ArcFace's IResNet: pre-normalised blocks, PRelu, Flatten, Gemm, BatchNormalization.
scrfd:    SCRFD-10G: three-conv stem, average-pooled shortcuts, PAFPN, heads of three 3x3
          convolutions; sizes of the top-down path computed from shapes as torch exports them.

The input of every run is `pattern(shape)`, which the tests compute themselves.
"""

import argparse
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file


def pattern(shape):
    """Numbers in [-1, 1) that have the same bits in any language."""
    i = np.arange(np.prod(shape), dtype=np.uint64)
    bits = (i * np.uint64(2654435761) + np.uint64(12345)) & np.uint64(0xFFFFFFFF)
    return ((bits >> np.uint64(16)).astype(np.float32) / np.float32(32768) - np.float32(1)).reshape(shape)


class Builder:
    """Nodes and initializers with numbered names, like those of torch's exporter."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.initializers, self.count = [], [], 0

    def name(self):
        self.count += 1
        return str(self.count)

    def weight(self, name, values):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def normal(self, name, shape, std):
        return self.weight(name, self.random.normal(0, std, shape).astype(np.float32))

    def node(self, op, inputs, output=None, **attributes):
        output = output or self.name()
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}_{len(self.nodes)}", **attributes))
        return output

    def constant(self, values):
        return self.node("Constant", [], value=numpy_helper.from_array(np.array(values)))

    def conv(self, x, name, c, o, kernel=3, stride=1, gain=1.0, bias=True):
        self.normal(f"{name}.weight", (o, c, kernel, kernel), gain * np.sqrt(2.0 / (c * kernel * kernel)))
        inputs = [x, f"{name}.weight"]
        if bias:
            inputs.append(self.normal(f"{name}.bias", (o,), 0.1))
        pad = kernel // 2
        return self.node("Conv", inputs, dilations=[1, 1], group=1, kernel_shape=[kernel, kernel],
                         pads=[pad] * 4, strides=[stride, stride])

    def batch_norm(self, x, name, c, output=None):
        r = self.random
        parts = [self.weight(f"{name}.weight", r.uniform(0.8, 1.2, c).astype(np.float32)),
                 self.normal(f"{name}.bias", (c,), 0.1), self.normal(f"{name}.running_mean", (c,), 0.1),
                 self.weight(f"{name}.running_var", r.uniform(0.8, 1.2, c).astype(np.float32))]
        return self.node("BatchNormalization", [x, *parts], output, epsilon=1e-5, momentum=0.9)

    def prelu(self, x, name, c):
        return self.node("PRelu", [x, self.weight(
            name, self.random.uniform(0.1, 0.4, (c, 1, 1)).astype(np.float32))])

    def model(self, name, inputs, outputs, opset, initializers_are_inputs=False, ir=6):
        if initializers_are_inputs:
            inputs = inputs + [helper.make_tensor_value_info(t.name, t.data_type, t.dims)
                               for t in self.initializers]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir,
                                  producer_name="semblance-oracle")
        model = onnx.shape_inference.infer_shapes(model)
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        return model


def iresnet(widths, blocks, stem, seed, opset=11, fold=True, size=512):
    """IResNet; with `fold`, normalisation is folded into the convolution before it, as exporters do."""
    b = Builder(seed)

    def conv_norm(x, name, c, o, kernel=3, stride=1, gain=1.0):
        x = b.conv(x, name, c, o, kernel, stride, gain, bias=fold)
        return x if fold else b.batch_norm(x, f"{name}.bn", o)

    x = conv_norm("input.1", "conv1", 3, stem)
    x = b.prelu(x, "prelu.weight", stem)
    c = stem
    for s, (width, count) in enumerate(zip(widths, blocks)):
        for i in range(count):
            p = f"layer{s + 1}.{i}"
            stride = 2 if i == 0 else 1
            y = b.batch_norm(x, f"{p}.bn1", c)
            y = conv_norm(y, f"{p}.conv1", c, width)
            y = b.prelu(y, f"{p}.prelu.weight", width)
            y = conv_norm(y, f"{p}.conv2", width, width, stride=stride, gain=0.15)
            if i == 0:
                x = conv_norm(x, f"{p}.downsample.0", c, width, 1, stride)
            x = b.node("Add", [y, x])
            c = width
    x = b.batch_norm(x, "bn2", c)
    if not fold:
        x = b.node("Dropout", [x], **({"ratio": 0.4} if opset < 12 else {}))
    x = b.node("Flatten", [x], axis=1)
    b.normal("fc.weight", (size, c * 49), np.sqrt(1.0 / (c * 49)))
    b.normal("fc.bias", (size,), 0.1)
    x = b.node("Gemm", [x, "fc.weight", "fc.bias"], alpha=1.0, beta=1.0, transB=1)
    b.batch_norm(x, "features", size, output="embedding")
    return b.model("iresnet", [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["None", 3, 112, 112])],
                   [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["None", size])], opset,
                   initializers_are_inputs=fold, ir=3 if fold else 6)


def scrfd(stem, widths, blocks, fpn, feature, batched, seed):
    """SCRFD with nine outputs; `batched` adds a batch axis to them."""
    b = Builder(seed)
    relu = lambda x: b.node("Relu", [x])
    x = relu(b.conv("input.1", "stem.0", 3, stem // 2, stride=2))
    x = relu(b.conv(x, "stem.3", stem // 2, stem // 2))
    x = relu(b.conv(x, "stem.6", stem // 2, stem))
    x = b.node("MaxPool", [x], ceil_mode=0, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    c, stages = stem, []
    for s, (width, count) in enumerate(zip(widths, blocks)):
        for i in range(count):
            p = f"layer{s + 1}.{i}"
            stride = 2 if i == 0 and s > 0 else 1
            y = relu(b.conv(x, f"{p}.conv1", c, width, stride=stride))
            y = b.conv(y, f"{p}.conv2", width, width, gain=0.5)
            if stride == 2:
                x = b.node("AveragePool", [x], ceil_mode=1, kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2])
            if stride == 2 or c != width:
                x = b.conv(x, f"{p}.downsample", c, width, 1)
            x = relu(b.node("Add", [y, x]))
            c = width
        stages.append((x, c))
    laterals = [b.conv(x, f"neck.lateral.{i}", c, fpn, 1, gain=0.7) for i, (x, c) in enumerate(stages[1:])]

    def size_of(x, axis):
        gathered = b.node("Gather", [b.node("Shape", [x]), b.constant(np.int64(axis))], axis=0)
        return b.node("Unsqueeze", [gathered], axes=[0])

    none = b.constant(np.zeros(0, np.float32))
    for i in (2, 1):
        below = laterals[i - 1]
        sizes = b.node("Cast", [b.node("Concat", [size_of(below, 2), size_of(below, 3)], axis=0)], to=7)
        front = b.node("Slice", [b.node("Shape", [laterals[i]]), b.constant([0]), b.constant([2]), b.constant([0])])
        sizes = b.node("Concat", [front, sizes], axis=0)
        up = b.node("Resize", [laterals[i], none, none, sizes], coordinate_transformation_mode="asymmetric",
                    cubic_coeff_a=-0.75, mode="nearest", nearest_mode="floor")
        laterals[i - 1] = b.node("Add", [below, up])
    outs = [b.conv(x, f"neck.fpn.{i}", fpn, fpn, gain=0.7) for i, x in enumerate(laterals)]
    for i in (0, 1):
        outs[i + 1] = b.node("Add", [outs[i + 1], b.conv(outs[i], f"neck.downsample.{i}", fpn, fpn, stride=2, gain=0.7)])
    outs = [outs[0]] + [b.conv(outs[i], f"neck.pafpn.{i}", fpn, fpn, gain=0.7) for i in (1, 2)]

    results = {}
    for i, (x, stride) in enumerate(zip(outs, (8, 16, 32))):
        c = fpn
        for k in range(3):
            x = relu(b.conv(x, f"head.{stride}.{k}", c, feature))
            c = feature
        for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
            y = b.conv(x, f"head.{stride}.{kind}", c, 2 * width, gain=0.5)
            if kind == "bbox":
                y = b.node("Mul", [y, b.weight(f"head.{stride}.scale", np.float32(1.0 + 0.1 * i))])
            if kind == "score" and not batched:
                y = b.node("Sigmoid", [y])
            y = b.node("Transpose", [y], perm=[0, 2, 3, 1])
            if batched:
                shape = b.node("Concat", [size_of("input.1", 0), b.constant([-1]), b.constant([width])], axis=0)
            else:
                shape = b.constant([-1, width])
            name = f"{kind}_{stride}"
            if kind == "score" and batched:
                b.node("Sigmoid", [b.node("Reshape", [y, shape])], name)
            else:
                b.node("Reshape", [y, shape], name)
            results[name] = helper.make_tensor_value_info(
                name, TensorProto.FLOAT, ["?", "?", width] if batched else ["?", width])
    order = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in (8, 16, 32)]
    return b.model("scrfd", [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["?" if batched else 1, 3, "?", "?"])],
                   [results[name] for name in order], 11)


def layouts(seed):
    """One output for every combination of axis orders: the graph is channels-last, ONNX is channels-first."""
    b = Builder(seed)
    f32, i64 = np.float32, np.int64
    x = b.conv("input.1", "conv", 3, 6)  # [2,6,9,11]
    r = lambda *shape: b.constant(b.random.uniform(0.5, 2.0, shape).astype(f32))
    shape = lambda *sizes: b.constant(np.array(sizes, i64))
    n, c, h, w = 2, 6, 9, 11
    means = b.node("GlobalAveragePool", [x])
    flat = b.node("Flatten", [means], axis=1)  # [2,6]
    rows = b.node("Reshape", [x, shape(0, 0, -1)])  # [2,6,99]
    turned = b.node("Transpose", [x], perm=[0, 2, 3, 1])
    back = b.node("Transpose", [turned], perm=[0, 3, 1, 2])
    wide = b.node("Transpose", [x], perm=[0, 1, 3, 2])  # [2,6,11,9]
    line = b.node("Gather", [x, b.constant(i64(2))], axis=2)  # [2,6,11]
    outputs = {
        "by_channel": b.node("Add", [x, r(c, 1, 1)]),
        "by_channel_four_axes": b.node("Mul", [r(1, c, 1, 1), x]),
        "by_pixel": b.node("Mul", [x, r(1, 1, h, w)]),
        "by_row": b.node("Add", [x, r(h, 1)]),
        "by_column": b.node("Add", [r(w), x]),
        "by_picture": b.node("Mul", [x, r(n, 1, 1, 1)]),
        "by_element": b.node("Sub", [x, r(n, c, h, w)]),
        "from_number": b.node("Sub", [b.constant(f32(1.5)), x]),
        "over": b.node("Div", [r(c, 1, 1), b.node("Sigmoid", [x])]),
        "divided": b.node("Div", [x, b.constant(f32(3))]),
        "widened": b.node("Add", [flat, r(1, 1, n, c)]),
        "squeeze_and_excite": b.node("Mul", [x, b.node("Sigmoid", [means])]),
        "line_over_picture": b.node("Mul", [b.node("Unsqueeze", [line], axes=[2]), x]),
        "plain_and_last": b.node("Add", [back, b.node("Transpose", [wide], perm=[0, 1, 3, 2])]),
        "lower_rank": b.node("Add", [x, b.node("Squeeze", [b.node("Slice", [x, shape(1), shape(2), shape(0)])], axes=[0])]),
        "five_axes": b.node("Mul", [b.node("Unsqueeze", [x], axes=[1]), x]),
        "concat_channels": b.node("Concat", [x, r(n, 1, h, w), x], axis=1),
        "concat_columns": b.node("Concat", [x, back], axis=-1),
        "slice_channels": b.node("Slice", [x, shape(1, -10), shape(5, 1 << 62), shape(1, 3), shape(2, 3)]),
        "slice_backwards": b.node("Slice", [x, shape(-1), shape(-(1 << 62)), shape(2), shape(-2)]),
        "gather_channel": b.node("Gather", [x, b.constant(i64(-2))], axis=1),
        "gather_columns": b.node("Gather", [x, shape(3, 4, 5, 0, 0)], axis=3),
        "turned": turned,
        "wide": wide,
        "heads": b.node("Reshape", [turned, shape(-1, 3)]),
        "reshaped_conv": b.conv(b.node("Reshape", [x, shape(n, 3, 2 * h, w)]), "reshaped", 3, 4),
        "prelu_number": b.node("PRelu", [x, r(1)]),
        "prelu_channel": b.node("PRelu", [x, r(c, 1, 1)]),
        "prelu_row": b.node("PRelu", [x, r(h, 1)]),
        "prelu_flat": b.node("PRelu", [flat, r(c)]),
        "rows_product": b.node("MatMul", [rows, b.weight("product", b.random.normal(0, 0.1, (h * w, 5)).astype(f32))]),
        "gemm": b.node("Gemm", [flat, r(c, 4), r(4)], alpha=0.5, beta=2.0),
        "gemm_turned": b.node("Gemm", [b.node("Transpose", [flat], perm=[1, 0]), r(c, 4)], transA=1),
        "resized_up": b.node("Resize", [x, b.constant(np.zeros(0, f32)), b.constant(np.zeros(0, f32)), shape(n, c, 13, 25)],
                             mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
        "resized_down": b.node("Resize", [x, b.constant(np.zeros(0, f32)), b.constant(np.array([1, 1, 0.6, 0.8], f32))],
                               mode="nearest"),
        "grouped": b.node("Conv", [x, r(6, 2, 3, 3)], group=3, strides=[1, 2], auto_pad="SAME_LOWER",
                          kernel_shape=[3, 3]),
        "dilated": b.node("Conv", [x, r(2, 6, 3, 2)], dilations=[2, 3], pads=[0, 1, 2, 3]),
        "pooled": b.node("AveragePool", [x], ceil_mode=1, kernel_shape=[2, 2], strides=[2, 2]),
        "pooled_padded": b.node("AveragePool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
        "norm_flat": b.batch_norm(flat, "norm_flat", c),
        "means": means,
    }
    listed = [helper.make_tensor_value_info(b.node("Identity", [value], name), TensorProto.FLOAT, None)
              for name, value in outputs.items()]
    return b.model("layouts", [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [n, 3, h, w])], listed, 11)


def run(model, shape):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input.1": pattern(shape)})))


def write(folder, name, model, shapes):
    onnx.save(model, folder / f"{name}.onnx")
    goldens = {}
    for shape in shapes:
        for output, values in run(model, shape).items():
            goldens["x".join(map(str, shape)) + "/" + output] = np.ascontiguousarray(values)
            print(f"{name} {shape} {output}: {values.shape}, rms {np.sqrt(np.mean(values.astype(np.float64) ** 2)):.3g}")
    path = folder / f"{name}.safetensors"
    save_file(goldens, path)
    path.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("goldens", "corpus", "full"))
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    face, two = [(1, 3, 112, 112)], [(2, 3, 112, 112)]
    if args.what == "goldens":
        # 100 layers as published; the last width is small, because 49 times it is the input of the 512.
        write(args.folder, "iresnet100_small", iresnet((4, 6, 10, 2), (3, 13, 30, 3), 4, seed=1), two)
        write(args.folder, "iresnet18_small", iresnet((4, 4, 4, 1), (2, 2, 2, 2), 4, seed=2, opset=17, fold=False), face)
        sizes = [(1, 3, 64, 96), (1, 3, 96, 64)]
        write(args.folder, "scrfd_small", scrfd(8, (8, 8, 8, 12), (3, 4, 2, 3), 8, 8, False, seed=3), sizes)
        write(args.folder, "scrfd_small_batched", scrfd(8, (8, 8, 8, 12), (3, 4, 2, 3), 8, 8, True, seed=4),
              [(2, 3, 64, 64)])
        write(args.folder, "layouts", layouts(seed=8), [(2, 3, 9, 11)])
    elif args.what == "corpus":
        onnx.save(iresnet((1, 1, 1, 1), (1, 1, 1, 1), 1, seed=9, size=8), args.folder / "iresnet.onnx")
        onnx.save(iresnet((1, 1, 1, 1), (1, 1, 1, 1), 1, seed=9, opset=17, fold=False, size=8), args.folder / "iresnet_17.onnx")
        for batched in (False, True):
            model = scrfd(2, (1, 1, 1, 1), (1, 1, 1, 1), 1, 1, batched, seed=10)
            onnx.save(model, args.folder / f"scrfd_{'batched' if batched else 'plain'}.onnx")
        onnx.save(layouts(seed=8), args.folder / "layouts.onnx")
    else:
        write(args.folder, "iresnet100", iresnet((64, 128, 256, 512), (3, 13, 30, 3), 64, seed=5), face)
        write(args.folder, "scrfd_10g", scrfd(56, (56, 88, 88, 224), (3, 4, 2, 3), 56, 80, False, seed=6),
              [(1, 3, 320, 320)])


if __name__ == "__main__":
    main()
