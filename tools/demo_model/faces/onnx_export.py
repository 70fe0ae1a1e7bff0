"""Writes the shipped networks as ONNX, opset 11, with the published models' conventions.

Normalisation after a convolution is folded into it. Weights are stored as float16 and cast to float32 in
the graph, which halves the files at no cost at run time.
"""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .networks import ANCHORS, EMBEDDING, KINDS, STRIDES

HALVED_FROM = 256  # elements; smaller tensors stay float32


class Builder:
    """Nodes and initializers with numbered names."""

    def __init__(self):
        self.nodes, self.initializers, self.count = [], [], 0

    def node(self, op, inputs, output=None, **attributes):
        self.count += 1
        output = output or str(self.count)
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op}_{len(self.nodes)}", **attributes))
        return output

    def weight(self, name, values):
        values = values.detach().cpu().numpy() if torch.is_tensor(values) else np.asarray(values)
        if values.dtype != np.float32 or values.size < HALVED_FROM:
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
            return name
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values.astype(np.float16)), f"{name}.half"))
        return self.node("Cast", [f"{name}.half"], name, to=TensorProto.FLOAT)

    def conv(self, x, name, weight, bias, stride):
        kernel = weight.shape[-1]
        inputs = [x, self.weight(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.weight(f"{name}.bias", bias))
        return self.node("Conv", inputs, dilations=[1, 1], group=1, kernel_shape=[kernel] * 2,
                         pads=[kernel // 2] * 4, strides=[stride] * 2)

    def conv_norm(self, x, name, module):
        """Folds a convolution and the normalisation after it into one convolution."""
        conv, norm = module
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return self.conv(x, name, conv.weight * factor[:, None, None, None], norm.bias - norm.running_mean * factor,
                         conv.stride[0])

    def batch_norm(self, x, name, norm, output=None):
        parts = [self.weight(f"{name}.{part}", getattr(norm, part)) for part in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", [x, *parts], output, epsilon=norm.eps, momentum=0.9)

    def prelu(self, x, name, module):
        return self.node("PRelu", [x, self.weight(name, module.weight.reshape(-1, 1, 1))])

    def save(self, path, name, inputs, outputs):
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], producer_name="semblance demo model")
        model.ir_version = 6
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)


def value(name, sizes):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


@torch.no_grad()
def export_recogniser(net, path):
    net = net.eval().float()
    b = Builder()
    x = b.prelu(b.conv_norm("input.1", "stem", net.stem), "stem.prelu", net.prelu)
    for i, block in enumerate(net.layers):
        p = f"layers.{i}"
        y = b.batch_norm(x, f"{p}.bn1", block.bn1)
        y = b.prelu(b.conv_norm(y, f"{p}.conv1", block.conv1), f"{p}.prelu", block.prelu)
        y = b.conv_norm(y, f"{p}.conv2", block.conv2)
        if block.downsample is not None:
            x = b.conv_norm(x, f"{p}.downsample", block.downsample)
        x = b.node("Add", [y, x])
    x = b.batch_norm(x, "bn2", net.neck[0])
    x = b.conv_norm(x, "neck", net.neck[1:])
    x = b.node("Flatten", [x], axis=1)
    x = b.node("Gemm", [x, b.weight("fc.weight", net.fc.weight), b.weight("fc.bias", net.fc.bias)], alpha=1.0, beta=1.0, transB=1)
    b.batch_norm(x, "features", net.features, "embedding")
    b.save(path, "iresnet", [value("input.1", ["None", 3, 112, 112])], [value("embedding", ["None", EMBEDDING])])


@torch.no_grad()
def export_detector(net, path):
    net = net.eval().float()
    b = Builder()
    relu = lambda x: b.node("Relu", [x])
    x = "input.1"
    for i, conv in enumerate(net.stem):
        x = relu(b.conv_norm(x, f"stem.{i}", conv))
    levels = []
    for s, stage in enumerate(net.stages):
        for i, block in enumerate(stage):
            p = f"stages.{s}.{i}"
            y = relu(b.conv_norm(x, f"{p}.conv1", block.conv1))
            y = b.conv_norm(y, f"{p}.conv2", block.conv2)
            if block.stride > 1:
                x = b.node("AveragePool", [x], ceil_mode=0, kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2])
            if block.downsample is not None:
                x = b.conv_norm(x, f"{p}.downsample", block.downsample)
            x = relu(b.node("Add", [y, x]))
        levels.append(x)
    levels = [b.conv_norm(x, f"laterals.{i}", net.laterals[i]) for i, x in enumerate(levels[1:])]
    b.initializers.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))
    b.initializers.append(numpy_helper.from_array(np.zeros(0, np.float32), "whole"))
    for i in (1, 0):
        up = b.node("Resize", [levels[i + 1], "whole", "twice"], mode="nearest", nearest_mode="floor",
                    coordinate_transformation_mode="asymmetric")
        levels[i] = b.node("Add", [levels[i], up])
    levels = [relu(b.conv_norm(x, f"fpn.{i}", net.fpn[i])) for i, x in enumerate(levels)]
    for i in (0, 1):
        levels[i + 1] = b.node("Add", [levels[i + 1], relu(b.conv_norm(levels[i], f"down.{i}", net.down[i]))])
    for x, head, scale, stride in zip(levels, net.heads, net.scales, STRIDES):
        p = f"heads.{stride}"
        x = relu(b.conv_norm(x, f"{p}.first", head["first"]))
        x = relu(b.conv_norm(x, f"{p}.second", head["second"]))
        for kind, width in KINDS:
            y = b.conv(x, f"{p}.{kind}", head[kind].weight, head[kind].bias, 1)
            if kind == "bbox":
                y = b.node("Mul", [y, b.weight(f"{p}.scale", scale)])
            if kind == "score":
                y = b.node("Sigmoid", [y])
            y = b.node("Transpose", [y], perm=[0, 2, 3, 1])
            b.node("Reshape", [y, b.weight(f"{p}.{kind}.shape", np.array([-1, width], np.int64))], f"{kind}_{stride}")
    outputs = [value(f"{kind}_{stride}", ["?", width]) for kind, width in KINDS for stride in STRIDES]
    b.save(path, "scrfd", [value("input.1", [1, 3, "?", "?"])], outputs)
    assert ANCHORS == 2
