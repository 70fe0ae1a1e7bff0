"""Trains the detector on composed scenes.

    python -m tools.demo_model.faces.detector               trains (resumes where it stopped), then exports
    python -m tools.demo_model.faces.detector --export      exports the current weights

Anchors are squares of 16 and 32, 64 and 128, 256 and 512 pixels at the strides of 8, 16 and 32. A face is
assigned to the anchors nearest to its middle and of about its size. Scores are trained with a focal loss towards the
box's overlap, boxes with GIoU, keypoints with their distance relative to the face.
Writes detector.pt under /tmp/demo_model/faces and models/demo/face-models/scrfd_10g_bnkps.onnx.
"""

import argparse
import math
import pathlib
import time

import numpy as np
import torch
from torch.nn import functional as F

from .crops import CACHE
from .detector_scenes import Scenes, compose
from .networks import ANCHORS, STRIDES, Scrfd
from .onnx_export import export_detector
from .progress import Progress, polite, save_atomically

SEED = 2
CHECKPOINT = CACHE / "detector.pt"
ONNX = pathlib.Path("models/demo/face-models/scrfd_10g_bnkps.onnx")
SIZES = ((256, 0.3), (320, 0.35), (448, 0.2), (640, 0.15))
PIXELS = 16 * 320 * 320  # per batch
# Subtracted from every score (before the sigmoid) when the network is loaded for use, so that the published threshold of
# 0.5 corresponds to 0.65 as trained. Chosen on scenes from 950,000 on, which are not used for measuring: of 500 pictures
# without a face, one has a false face instead of six; recall in groups falls from 99.7 % to 99.0 %.
SCORE_SHIFT = math.log(0.65 / 0.35)


def load(path=CHECKPOINT):
    """The trained network in eval mode; see networks.Scrfd."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = Scrfd(**state["settings"])
    net.load_state_dict(state["net"])
    for head in net.heads:
        head["score"].bias.data -= SCORE_SHIFT
    return net.eval()


def anchors(side):
    """(x, y, size, stride) of every anchor [n,4], in the order of the outputs."""
    parts = []
    for stride in STRIDES:
        cells = side // stride
        y, x = np.mgrid[:cells, :cells] * stride
        sizes = (2 * stride, 4 * stride) if stride == 8 else (4 * stride, 8 * stride) if stride == 16 else (8 * stride, 16 * stride)
        for_cell = [np.stack([x.ravel(), y.ravel(), np.full(x.size, size), np.full(x.size, stride)], 1) for size in sizes]
        parts.append(np.stack(for_cell, 1).reshape(-1, 4))
    assert len(parts[0]) == ANCHORS * (side // 8) ** 2
    return np.concatenate(parts).astype(np.float32)


def assign(table, boxes, ignored):
    """The face assigned to each anchor [n]; -1 for none, -2 for ignored."""
    result = np.full(len(table), -1, np.int64)
    x, y, size, stride = table.T
    for box in ignored:
        grow = 0.1 * max(box[2] - box[0], box[3] - box[1])
        result[(x > box[0] - grow) & (x < box[2] + grow) & (y > box[1] - grow) & (y < box[3] + grow)] = -2
    if len(boxes) == 0:
        return result
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    face = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    ratio = np.abs(np.log(np.clip(face, 12, 620)[:, None] / size)) / math.log(2)  # in octaves
    distance = np.hypot(x - middle[:, :1], y - middle[:, 1:])
    reach = np.clip(0.22 * face[:, None] / stride, 0.75, 1.6) * stride
    near = (distance < 2 * reach) & (ratio < 1.3)
    result[near.any(0) & (result == -1)] = -2
    own = (distance < reach) & (ratio < 0.75)
    cost = np.where(own, distance / face[:, None] + ratio, np.inf)
    best = cost.argmin(0)
    taken = own.any(0)
    result[taken] = best[taken]
    return result


def giou(a, b):
    """(overlap over union, GIoU) of boxes [n,4]."""
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    area = lambda box: (box[:, 2:] - box[:, :2]).clamp(min=0).prod(1)
    union = area(a) + area(b) - inner
    overlap = inner / union.clamp(min=1e-6)
    return overlap, overlap - (outer - union) / outer.clamp(min=1e-6)


def loss_of(results, table, targets):
    """`targets` has (assigned [n], keypoints [k,5,2], boxes [k,4]) for each picture."""
    parts = {kind: torch.cat([level[kind] for level in results], 1) for kind in ("score", "bbox", "kps")}
    score = parts["score"][..., 0]
    at, stride = torch.from_numpy(table[:, :2]), torch.from_numpy(table[:, 3:])
    wanted, weight = torch.zeros_like(score), torch.ones_like(score)
    box_losses, point_losses = [], []
    for i, (assigned, keypoints, boxes) in enumerate(targets):
        assigned = torch.from_numpy(assigned)
        weight[i][assigned == -2] = 0
        own = torch.nonzero(assigned >= 0)[:, 0]
        if len(own) == 0:
            continue
        box = torch.from_numpy(boxes)[assigned[own]]
        points = torch.from_numpy(keypoints)[assigned[own]]
        distance = parts["bbox"][i, own] * stride[own]
        found = torch.cat([at[own] - distance[:, :2], at[own] + distance[:, 2:]], 1)
        overlap, generalised = giou(found, box)
        wanted[i, own] = 0.5 + 0.5 * overlap.detach()
        face = (box[:, 2:] - box[:, :2]).prod(1).sqrt()
        offset = (parts["kps"][i, own] * stride[own]).reshape(-1, 5, 2) + at[own][:, None]
        point_losses.append(F.smooth_l1_loss(offset / face[:, None, None], points / face[:, None, None], beta=0.02, reduction="none").mean((1, 2)))
        box_losses.append(1 - generalised)
    certain = score.sigmoid().detach()
    focus = torch.where(wanted > 0, (wanted - certain).abs(), 0.75 * certain) ** 2 * weight
    count = max(1, sum(len(part) for part in box_losses))
    losses = {"score": (F.binary_cross_entropy_with_logits(score, wanted, reduction="none") * focus).sum() / count}
    if box_losses:
        losses["box"] = torch.cat(box_losses).mean()
        losses["points"] = torch.cat(point_losses).mean()
    return losses


def train(args):
    torch.manual_seed(SEED)
    scenes, net = Scenes(), Scrfd().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02, betas=(0.9, 0.99))
    step = 0
    if CHECKPOINT.exists():
        state = torch.load(CHECKPOINT, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    rng = np.random.default_rng([SEED, step])
    tables = {side: anchors(side) for side, _ in SIZES}
    progress, means, saved = Progress(CACHE / "detector.log", args.steps, step), {}, time.time()
    while step < args.steps:
        at = step / args.steps
        for group in optimizer.param_groups:
            group["lr"] = 2.5e-3 * min(1.0, step / 100 + 0.01) * (0.5 + 0.5 * math.cos(math.pi * at) + 0.01)
        side = int(rng.choice([side for side, _ in SIZES], p=[share for _, share in SIZES]))
        canvases, targets = [], []
        for _ in range(max(4, PIXELS // side**2)):
            rgb, keypoints, boxes, ignored = compose(scenes, rng, side)
            canvases.append(rgb)
            targets.append((assign(tables[side], boxes, ignored), keypoints, boxes))
        x = (torch.from_numpy(np.stack(canvases)).permute(0, 3, 1, 2).float() - 127.5) / 128.0
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            results = net(x)
        losses = loss_of(results, tables[side], targets)
        loss = losses["score"] + 2 * losses.get("box", 0) + 25 * losses.get("points", 0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        step += 1
        for key, value in losses.items():
            means[key] = value.item() if key not in means else 0.98 * means[key] + 0.02 * value.item()
        if step % 25 == 0:
            progress.tell(step, " ".join(f"{key} {value:.4f}" for key, value in means.items()))
        if time.time() - saved > 120 or step == args.steps:
            save_atomically({"settings": net.settings, "net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, CHECKPOINT)
            saved = time.time()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--export", action="store_true")
    args = parser.parse_args()
    polite()
    if not args.export:
        train(args)
    export_detector(load(), ONNX)


if __name__ == "__main__":
    main()
