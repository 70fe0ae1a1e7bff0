"""The networks of this package. Shapes in comments are [n,c,h,w]; names follow the published models."""

import torch
from torch import nn
from torch.nn import functional as F

EMBEDDING = 512


def conv_norm(c, o, kernel=3, stride=1):
    return nn.Sequential(nn.Conv2d(c, o, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(o))


class IBlock(nn.Module):
    """IResNet's block: normalisation first, one PReLU. The stride is in the first convolution, for speed."""

    def __init__(self, c, o, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c)
        self.conv1 = conv_norm(c, o, stride=stride)
        self.prelu = nn.PReLU(o)
        self.conv2 = conv_norm(o, o)
        self.downsample = conv_norm(c, o, 1, stride) if stride > 1 or c != o else None

    def forward(self, x):
        y = self.conv2(self.prelu(self.conv1(self.bn1(x))))
        return y + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    """A small ArcFace network: [n,3,112,112] in (x - 127.5) / 127.5, RGB -> [n,512], not normalised.

    Besides its widths it differs from IResNet-50 in its strides (stem, first convolutions), which saves most
    of the computation, and in a 1x1 convolution before the last layer, which saves most of its weights.
    """

    def __init__(self, stem=16, widths=(32, 64, 128), blocks=(1, 2, 2), neck=24):
        super().__init__()
        self.settings = {"stem": stem, "widths": tuple(widths), "blocks": tuple(blocks), "neck": neck}
        self.stem = conv_norm(3, stem, stride=2)
        self.prelu = nn.PReLU(stem)
        layers, c = [], stem
        for width, count in zip(widths, blocks):
            for i in range(count):
                layers.append(IBlock(c, width, 2 if i == 0 else 1))
                c = width
        self.layers = nn.Sequential(*layers)
        self.neck = nn.Sequential(nn.BatchNorm2d(c), nn.Conv2d(c, neck, 1, bias=False), nn.BatchNorm2d(neck))
        self.fc = nn.Linear(neck * 49, EMBEDDING)
        # As published: the last normalisation has no scale, so the numbers have about unit size.
        self.features = nn.BatchNorm1d(EMBEDDING)
        nn.init.constant_(self.features.weight, 1.0)
        self.features.weight.requires_grad = False

    def forward(self, x):
        x = self.neck(self.layers(self.prelu(self.stem(x))))
        return self.features(self.fc(x.flatten(1)).float())


class ResBlock(nn.Module):
    """SCRFD's block: ReLU, the stride in the first convolution, an average-pooled shortcut."""

    def __init__(self, c, o, stride):
        super().__init__()
        self.stride = stride
        self.conv1 = conv_norm(c, o, stride=stride)
        self.conv2 = conv_norm(o, o)
        self.downsample = conv_norm(c, o, 1) if stride > 1 or c != o else None

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        if self.stride > 1:
            x = F.avg_pool2d(x, 2, 2)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


STRIDES = (8, 16, 32)
ANCHORS = 2
KINDS = (("score", 1), ("bbox", 4), ("kps", 10))


class Scrfd(nn.Module):
    """A small SCRFD with keypoints: [n,3,h,w] in (x - 127.5) / 128, RGB, sides multiples of 32.

    forward returns for each stride a dict of score (before the sigmoid) [n,h*w*2,1], bbox [n,h*w*2,4] and
    kps [n,h*w*2,10], in strides.
    """

    def __init__(self, stem=(8, 16), widths=(16, 32, 48, 64), blocks=(1, 2, 2, 2), fpn=24, head=32):
        super().__init__()
        self.settings = {"stem": tuple(stem), "widths": tuple(widths), "blocks": tuple(blocks), "fpn": fpn, "head": head}
        self.stem = nn.ModuleList([conv_norm(3, stem[0], stride=2), conv_norm(stem[0], stem[1], stride=2)])
        c = stem[1]
        self.stages = nn.ModuleList()
        for s, (width, count) in enumerate(zip(widths, blocks)):
            stage = []
            for i in range(count):
                stage.append(ResBlock(c, width, 2 if i == 0 and s > 0 else 1))
                c = width
            self.stages.append(nn.Sequential(*stage))
        self.laterals = nn.ModuleList([conv_norm(width, fpn, 1) for width in widths[1:]])
        self.fpn = nn.ModuleList([conv_norm(fpn, fpn) for _ in STRIDES])
        self.down = nn.ModuleList([conv_norm(fpn, fpn, stride=2) for _ in STRIDES[1:]])
        self.heads = nn.ModuleList()
        for _ in STRIDES:
            self.heads.append(nn.ModuleDict({
                "first": conv_norm(fpn, head), "second": conv_norm(head, head),
                **{kind: nn.Conv2d(head, width * ANCHORS, 3, padding=1) for kind, width in KINDS}}))
            nn.init.constant_(self.heads[-1]["score"].bias, -4.0)
        self.scales = nn.ParameterList([nn.Parameter(torch.tensor(1.0)) for _ in STRIDES])

    def forward(self, x):
        for conv in self.stem:
            x = F.relu(conv(x))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        levels = [lateral(x) for lateral, x in zip(self.laterals, levels[1:])]
        for i in (1, 0):
            levels[i] = levels[i] + F.interpolate(levels[i + 1], scale_factor=2.0, mode="nearest")
        levels = [F.relu(conv(x)) for conv, x in zip(self.fpn, levels)]
        for i in (0, 1):
            levels[i + 1] = levels[i + 1] + F.relu(self.down[i](levels[i]))
        results = []
        for x, head, scale in zip(levels, self.heads, self.scales):
            x = F.relu(head["second"](F.relu(head["first"](x))))
            result = {}
            for kind, width in KINDS:
                y = head[kind](x).float()
                if kind == "bbox":
                    y = y * scale
                result[kind] = y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, width)
            results.append(result)
        return results


class JudgeNet(nn.Module):
    """A plain residual network with its strides in the first convolution, mean-pooled into [n,256]."""

    def __init__(self, widths=(16, 40, 80, 128)):
        super().__init__()
        self.settings = {"widths": tuple(widths)}
        layers, c = [nn.Conv2d(3, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()], widths[0]
        for width in widths[1:]:
            layers += [ResBlock(c, width, 2), ResBlock(width, width, 1)]
            c = width
        self.body = nn.Sequential(*layers)
        self.pool = nn.Conv2d(c, 2 * c, 7, groups=c, bias=False)  # a weight per position, as in MobileFaceNet
        self.fc = nn.Sequential(nn.BatchNorm1d(2 * c), nn.Linear(2 * c, 256), nn.BatchNorm1d(256))

    def forward(self, x):
        x = self.body(x)
        x = F.adaptive_avg_pool2d(x, 7) if x.shape[-1] != 7 else x
        return self.fc(self.pool(x).flatten(1).float())


class Classifier(nn.Module):
    """Classifies traits and style of a whole picture of 96 x 96: a dict of logits."""

    def __init__(self, classes, widths=(16, 32, 64, 96)):
        super().__init__()
        self.settings = {"classes": dict(classes), "widths": tuple(widths)}
        layers, c = [nn.Conv2d(3, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()], widths[0]
        for width in widths[1:]:
            layers += [ResBlock(c, width, 2), ResBlock(width, width, 1)]
            c = width
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(10 * c, count) for name, count in classes.items()})

    def forward(self, x):
        x = self.body(x)
        # The mean of all and of nine parts, because hair and glasses have typical positions.
        x = torch.cat([F.adaptive_avg_pool2d(x, 1).flatten(1), F.adaptive_avg_pool2d(x, 3).flatten(1)], 1).float()
        return {name: head(x) for name, head in self.heads.items()}
