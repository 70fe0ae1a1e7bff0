"""python -m pytest tools/demo_model/faces"""

import numpy as np
import onnxruntime
import pytest
import torch

from . import detector
from .align import SIDE, TEMPLATE, align, alignment
from .detect import decode
from .networks import KINDS, STRIDES, IResNet, Scrfd
from .onnx_export import export_detector, export_recogniser
from .recogniser import ArcFace


def halved(net):
    """The network with the weights of its exported file and with non-trivial statistics."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def outputs_of(path, x):
    return onnxruntime.InferenceSession(str(path)).run(None, {"input.1": x.numpy()})


def test_the_recognisers_file_gives_what_the_network_gives(tmp_path):
    net, x = halved(IResNet(stem=8, widths=(8, 16, 16), neck=4)), torch.rand(2, 3, 112, 112) * 2 - 1
    export_recogniser(net, tmp_path / "r.onnx")
    with torch.no_grad():
        expected = net(x).numpy()
    assert expected.shape == (2, 512)
    assert np.abs(outputs_of(tmp_path / "r.onnx", x)[0] - expected).max() < 0.01 * np.abs(expected).max()


def test_the_detectors_file_has_nine_outputs_in_their_order(tmp_path):
    net, x = halved(Scrfd(stem=(4, 8), widths=(8, 8, 8, 8), fpn=8, head=8)), torch.rand(1, 3, 96, 64) * 2 - 1
    export_detector(net, tmp_path / "d.onnx")
    found = outputs_of(tmp_path / "d.onnx", x)
    with torch.no_grad():
        levels = net(x)
    for kind, (name, width) in enumerate(KINDS):
        for level, stride in enumerate(STRIDES):
            expected = levels[level][name][0].numpy()
            expected = 1 / (1 + np.exp(-expected)) if name == "score" else expected
            assert found[3 * kind + level].shape == (2 * (96 // stride) * (64 // stride), width)
            assert np.abs(found[3 * kind + level] - expected).max() < 0.01 * max(1, np.abs(expected).max())


def test_alignment_undoes_a_turn():
    turn = np.exp(0.3j) * 1.7
    points = (TEMPLATE @ [1, 1j]) * turn + (20 - 5j)
    matrix = alignment(np.stack([points.real, points.imag], 1))
    assert np.allclose(matrix @ [points[2].real, points[2].imag, 1], TEMPLATE[2], atol=1e-6)
    assert align(np.zeros((50, 60, 3), np.uint8), TEMPLATE).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("size", [16, 30, 64, 140, 260, 420])
def test_every_face_is_learned_by_anchors_of_its_size_at_its_middle(size):
    table = detector.anchors(640)
    box = np.array([[301 - size / 2, 333 - size / 2, 301 + size / 2, 333 + size / 2]], np.float32)
    own = table[detector.assign(table, box, np.zeros((0, 4))) == 0]
    assert len(own) >= 1
    assert (np.abs(np.log2(own[:, 2] / size)) < 0.76).all()
    assert (np.hypot(own[:, 0] - 301, own[:, 1] - 333) <= 1.6 * own[:, 3]).all()


def test_nothing_is_asked_where_a_face_is_cut_off():
    table = detector.anchors(128)
    assigned = detector.assign(table, np.zeros((0, 4)), np.array([[0, 0, 40, 40]]))
    inside = (table[:, 0] <= 40) & (table[:, 1] <= 40)
    assert (assigned[inside] == -2).all() and (assigned[~inside & (table[:, 0] > 60)] == -1).all()


def test_what_is_learned_is_what_is_read():
    """Outputs made from a face with the anchors' rule decode to that face."""
    table, box = detector.anchors(128), np.array([30, 40, 70, 90], np.float32)
    points = np.array([[40, 55], [60, 55], [50, 65], [42, 75], [58, 75]], np.float32)
    at, stride = table[:, :2], table[:, 3:]
    score = (detector.assign(table, box[None], np.zeros((0, 4))) == 0).astype(np.float32)
    distance = np.concatenate([at - box[:2], box[2:] - at], 1) / stride
    offset = (points[None] - at[:, None]).reshape(-1, 10) / stride
    outputs = [part[table[:, 3] == s] for part in (score[:, None], distance, offset) for s in STRIDES]
    boxes, keypoints, scores = decode(outputs, 128, 1.0)
    assert len(boxes) == 1 and scores[0] == 1
    assert np.allclose(boxes[0], box, atol=1e-3) and np.allclose(keypoints[0], points, atol=1e-3)


def test_the_margin_makes_it_harder():
    torch.manual_seed(0)
    arcface, embedding, who = ArcFace(16, 5), torch.randn(8, 16), torch.arange(8) % 5
    without, _ = arcface(embedding, who, 0.0)
    assert torch.isclose(without, torch.nn.functional.cross_entropy(
        32 * torch.nn.functional.normalize(embedding) @ torch.nn.functional.normalize(arcface.weight).T, who), atol=1e-3)
    assert arcface(embedding, who, 0.4)[0] > without
