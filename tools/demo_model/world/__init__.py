"""The drawn world: identities, scenes, a renderer of portraits, captions and labels.

    identity, scene = Identity.from_seed(7), Scene.from_seed(1, style="watercolor")
    picture = portrait(identity, scene, side=256)   # picture.rgb, picture.keypoints, picture.box
    caption(identity, scene, seed=0)                # "a watercolor portrait of a smiling woman ..."

All results depend only on the arguments.
"""

from .captions import caption
from .groups import faceless, group
from .identity import Identity
from .labels import TRAITS, labels
from .portrait import Portrait, portrait
from .scene import BACKGROUNDS, EXPRESSIONS, STYLE_BACKGROUNDS, STYLES, Scene

__all__ = [
    "BACKGROUNDS",
    "EXPRESSIONS",
    "STYLES",
    "STYLE_BACKGROUNDS",
    "TRAITS",
    "Identity",
    "Portrait",
    "Scene",
    "caption",
    "faceless",
    "group",
    "labels",
    "portrait",
]
