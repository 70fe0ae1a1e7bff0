"""Likeness as a loss: decodes a predicted latent around the face and compares it with the person by the
shipped recogniser. Nothing here is trained; gradients flow through to the latent.
"""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

from tools.demo_model.faces.align import SIDE, alignment

WINDOW = 16  # decoded positions of the latent: the face and the decoder's receptive field around it


class Recogniser:
    """The ONNX file's network [n, 3, 112, 112] -> [n, 512] in torch; supports only its few operations."""

    def __init__(self, path):
        graph = onnx.load(str(path)).graph
        self.nodes = [(node.op_type, list(node.input), node.output[0],
                       {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}) for node in graph.node]  # fmt: skip
        self.weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.initializer}
        self.input, self.output = graph.input[0].name, graph.output[0].name

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        known = {**self.weights, self.input: crops}
        for op, names, output, a in self.nodes:
            x, *rest = (known[name] for name in names)
            if op == "Cast":
                known[output] = x.float()
            elif op == "Conv":
                bias = rest[1] if len(rest) > 1 else None
                known[output] = F.conv2d(x, rest[0], bias, a["strides"], a["pads"][:2])
            elif op == "BatchNormalization":
                scale, bias, mean, variance = rest
                known[output] = F.batch_norm(x, mean, variance, scale, bias, eps=a["epsilon"])
            elif op == "PRelu":
                known[output] = F.prelu(x, rest[0].flatten())
            elif op == "Add":
                known[output] = x + rest[0]
            elif op == "Flatten":
                known[output] = x.flatten(1)
            elif op == "Gemm":
                known[output] = F.linear(x, rest[0], rest[1])
            else:
                raise ValueError(f"cannot build the recogniser: unsupported operation {op}")
        return known[self.output]


def window_of(box, places: int) -> tuple[int, int]:
    """(left, top), in latent positions, of a window of WINDOW positions inside the picture, centred on the face."""
    middle = ((box[0] + box[2]) / 16, (box[1] + box[3]) / 16)
    return tuple(min(max(int(round(at - WINDOW / 2)), 0), places - WINDOW) for at in middle)


def crop_grid(keypoints, left: int, top: int) -> torch.Tensor:
    """[1, 112, 112, 2] for grid_sample: positions of the aligned face's pixels in the decoded window."""
    from_picture = np.vstack([alignment(keypoints), [0, 0, 1]])
    to_picture = np.linalg.inv(from_picture)[:2]
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ to_picture.T
    places = (places - [8 * left, 8 * top] + 0.5) * 2 / (8 * WINDOW) - 1
    return torch.from_numpy(places[None].astype(np.float32))


class Likeness:
    def __init__(self, path, vae):
        self.recogniser, self.scale = Recogniser(path), vae.config.scaling_factor
        # Not compiled: if the weights need no gradient, torch.compile (2.13) loses the latent's.
        decoder = vae.requires_grad_(False).to(memory_format=torch.channels_last).decode
        self.decode = lambda latents: decoder(latents).sample

    def __call__(self, clean: torch.Tensor, boxes, keypoints, wanted: torch.Tensor) -> torch.Tensor:
        """1 - cosine for each of the latents [n, 4, h, w], scaled as in the UNet; `wanted` [n, 512]."""
        places = [window_of(box, clean.shape[-1]) for box in boxes]
        parts = [latent[:, top : top + WINDOW, left : left + WINDOW] for latent, (left, top) in zip(clean, places)]
        pictures = self.decode(torch.stack(parts) / self.scale).float().clamp(-1, 1)
        grids = [crop_grid(points, *place) for points, place in zip(keypoints, places)]
        # Like the recogniser's input: (x - 127.5) / 127.5, black outside the picture.
        faces = F.grid_sample(pictures, torch.cat(grids), align_corners=False)
        return 1 - F.cosine_similarity(self.recogniser(faces).float(), wanted)
