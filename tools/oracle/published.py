"""Loads the published InstantID pipeline (diffusers' community file) from a path, without copying it.

Three changes are made while loading; none affects the results:
- MultiControlNetModel is imported from its place since diffusers 0.33;
- check_inputs is bypassed: its arguments changed in diffusers, and our cases are valid;
- the resampler, whose sizes are fixed in the file (1280 wide, 4 layers, 20 heads), is built with the
  given adapter's sizes. The heads stay 64 wide, which cannot be derived from any shape.
"""

import sys
import tempfile
import types
from pathlib import Path

import torch
from safetensors.torch import load_file

HEAD_WIDTH = 64


def load_module(path: Path) -> types.ModuleType:
    """The community file as a module."""
    source = Path(path).read_text()
    old = "from diffusers.pipelines.controlnet.multicontrolnet import"
    if old not in source:
        raise SystemExit(f"cannot patch {path}: it does not import MultiControlNetModel like the community file")
    source = source.replace(old, "from diffusers.models.controlnets.multicontrolnet import")
    module = types.ModuleType("published_instantid")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(source, str(path), "exec"), module.__dict__)
    module.StableDiffusionXLInstantIDPipeline.check_inputs = lambda self, *_, **__: None
    return module


def read_adapter(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """{"image_proj": {...}, "ip_adapter": {...}} from a torch archive or a safetensors file."""
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    parts = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(path).items():
        part, rest = name.split(".", 1)
        parts[part][rest] = tensor
    return parts


def resampler_sizes(image_proj: dict[str, torch.Tensor]) -> dict[str, int]:
    """The arguments of Resampler's constructor, from the tensors' shapes."""
    _, queries, width = image_proj["latents"].shape
    return {
        "dim": width,
        "depth": 1 + max(int(n.split(".")[1]) for n in image_proj if n.startswith("layers.")),
        "dim_head": HEAD_WIDTH,
        "heads": image_proj["layers.0.0.to_q.weight"].shape[0] // HEAD_WIDTH,
        "num_queries": queries,
        "embedding_dim": image_proj["proj_in.weight"].shape[1],
        "output_dim": image_proj["proj_out.weight"].shape[0],
        "ff_mult": image_proj["layers.0.1.1.weight"].shape[0] // width,
    }


def load_adapter(pipe, module: types.ModuleType, path: Path) -> None:
    """Like pipe.load_ip_adapter_instantid, for an adapter of any size in either file format."""
    parts = read_adapter(path)
    sizes = resampler_sizes(parts["image_proj"])
    resampler = module.Resampler
    module.Resampler = lambda **_: resampler(**sizes)
    try:
        with tempfile.NamedTemporaryFile(suffix=".bin") as archive:
            torch.save(parts, archive.name)
            pipe.load_ip_adapter_instantid(
                archive.name, image_emb_dim=sizes["embedding_dim"], num_tokens=sizes["num_queries"]
            )
    finally:
        module.Resampler = resampler


def load_pipeline(module: types.ModuleType, checkpoint: Path, variant: str | None = None):
    """The pipeline from a folder with base/, identitynet/ and ip-adapter.*, upcast to fp32."""
    from diffusers import ControlNetModel

    identitynet = ControlNetModel.from_pretrained(
        checkpoint / "identitynet", torch_dtype=torch.float32
    )
    pipe = module.StableDiffusionXLInstantIDPipeline.from_pretrained(
        checkpoint / "base", controlnet=identitynet, torch_dtype=torch.float32, variant=variant
    )
    (adapter,) = checkpoint.glob("ip-adapter.*")
    load_adapter(pipe, module, adapter)
    pipe.set_progress_bar_config(disable=True)
    # A watermark is drawn only if the invisible-watermark package is installed.
    pipe.watermark = None
    return pipe
