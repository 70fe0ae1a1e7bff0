"""Writes tests/goldens/image/texts: pictures with texts as AUTOMATIC1111's web UI, ComfyUI and other programs write
them, and what Pillow reads in them.

The writer is Pillow, called as those programs call it: PngInfo.add_text() and add_itxt(), EXIF's UserComment in
UNICODE for JPEG and WebP (as piexif.helper does), and ComfyUI's WebP, which has its texts in EXIF's Make and Model.
Run by hand:

    python tools/oracle/picture_texts.py [--out tests/goldens/image/texts]

Needs pillow. Deterministic for one version of it, which texts.json names.
"""

import argparse
import json
from pathlib import Path

import PIL
from PIL import Image, PngImagePlugin

USER_COMMENT = 0x9286
EXIF_FOLDER = 0x8769

PARAMETERS = """photo of a (man:1.2) in {deep} snow, <lora:film:0.8>
second line, it's "quoted"
Negative prompt: blurry, [ugly]
Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5.5, Seed: 1234567890, Size: 832x1216, \
Model hash: 31e35c80fc, Model: sd_xl_base_1.0, VAE hash: 235745af8d, VAE: sdxl_vae.safetensors, \
ControlNet 0: "Module: instant_id_face_embedding, Model: ip-adapter_instant_id_sdxl [eb2d3ec0], Weight: 0.8, \
Resize Mode: Crop and Resize, Processor Res: 512, Guidance Start: 0.0, Guidance End: 1.0, Pixel Perfect: False, \
Control Mode: Balanced", ControlNet 1: "Module: instant_id_face_keypoints, Model: control_instant_id_sdxl [c5c25a50], \
Weight: 0.7, Resize Mode: Crop and Resize, Guidance Start: 0.1, Guidance End: 0.9, Pixel Perfect: False, \
Control Mode: Balanced", Lora hashes: "film: 0123456789ab", TI hashes: "easynegative: c74b4e810b03", \
Variation seed: 7, Variation seed strength: 0.1, RNG: CPU, Version: v1.10.1"""

GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 18446744073709551615, "steps": 20, "cfg": 4.5, "sampler_name": "euler_ancestral",
        "scheduler": "karras", "denoise": 1.0, "model": ["60", 0], "positive": ["60", 1], "negative": ["60", 2],
        "latent_image": ["5", 0]}, "is_changed": [float("nan")]},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "SDXL\\film_xl.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 1016, "height": 1016, "batch_size": 2}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["30", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {
        "lora_name": "styles/film.safetensors", "strength_model": 0.8, "strength_clip": 0.5, "model": ["4", 0],
        "clip": ["4", 1]}},
    "11": {"class_type": "InstantIDModelLoader", "inputs": {"instantid_file": "ip-adapter.bin"}},
    "13": {"class_type": "LoadImage", "inputs": {"image": "me and you.png", "upload": "image"}},
    "16": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "instantid.safetensors"}},
    "30": {"class_type": "VAELoader", "inputs": {"vae_name": "sdxl_vae.safetensors"}},
    "38": {"class_type": "InstantIDFaceAnalysis", "inputs": {"provider": "CPU"}},
    "39": {"class_type": "CLIPTextEncode", "inputs": {"text": ["50", 0], "clip": ["10", 1]}},
    "40": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["10", 1]}},
    "50": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "film still of a man, el niño — [soft]"}},
    "60": {"class_type": "ApplyInstantIDAdvanced", "inputs": {
        "ip_weight": 0.8, "cn_strength": 0.65, "start_at": 0.0, "end_at": 1.0, "noise": 0.35,
        "combine_embeds": "average", "instantid": ["11", 0], "insightface": ["38", 0], "control_net": ["16", 0],
        "image": ["13", 0], "model": ["10", 0], "positive": ["39", 0], "negative": ["40", 0]}},
}


def exif_with(comment=None, tags=()):
    exif = Image.Exif()
    for tag, text in tags:
        exif[tag] = text
    if comment is not None:
        exif.get_ifd(EXIF_FOLDER)[USER_COMMENT] = comment
    return exif


def pictures():
    """(name, options of Image.save(), the texts that it writes)"""
    def png(texts):
        info = PngImagePlugin.PngInfo()
        for key, value, options in texts:
            if "language" in options:
                info.add_itxt(key, value, lang="es", tkey="título", zip=options["zip"])
            else:
                info.add_text(key, value, zip=options.get("zip", False))
        return {"pnginfo": info}

    graph = json.dumps(GRAPH)
    yield "a1111.png", png([("parameters", PARAMETERS, {})]), None
    yield "comfyui.png", png([("prompt", graph, {}), ("workflow", json.dumps({"nodes": []}), {})]), None
    yield "latin1.png", png([("Title", "café ÿ", {}), ("Title", "the last counts", {})]), None
    yield "utf8.png", png([("Title", "el niño — 雪 😀", {})]), None
    yield "packed.png", png([("Title", "long " * 400, {"zip": True}),
                             ("Comment", "el niño — 雪 " * 50, {"language": True, "zip": True}),
                             ("Note", "not packed — 雪", {"language": True, "zip": False})]), None
    yield "none.png", {}, None
    text = PARAMETERS + " — 雪 😀"
    for name, order in (("big", "be"), ("little", "le")):
        comment = b"UNICODE\0" + text.encode("utf-16-" + order)
        yield f"a1111_{name}.jpg", {"exif": exif_with(comment)}, {"parameters": text}
    yield "a1111.webp", {"exif": exif_with(b"UNICODE\0" + text.encode("utf-16-be"))}, {"parameters": text}
    yield "ascii.jpg", {"exif": exif_with(b"ASCII\0\0\0plain", [(0x0131, "a program")])}, \
        {"parameters": "plain", "Software": "a program"}
    tags = [(0x0110, "prompt:" + graph), (0x010f, "workflow:{}")]
    yield "comfyui.webp", {"exif": exif_with(tags=tags)}, {"Model": tags[0][1], "Make": tags[1][1]}
    yield "none.jpg", {}, {}


def read_back(path, texts):
    """What Pillow reads; of EXIF, which it does not decode, what was written, once its bytes are the same."""
    with Image.open(path) as image:
        image.load()
        if path.suffix == ".png":
            return dict(image.text)
        exif = image.getexif()
        comment = exif.get_ifd(EXIF_FOLDER).get(USER_COMMENT)
        if comment is not None:
            encodings = {"utf-16-be", "utf-16-le"} if comment.startswith(b"UNICODE") else {"ascii"}
            assert any(comment[8:] == texts["parameters"].encode(encoding) for encoding in encodings)
        for tag, key in ((0x010f, "Make"), (0x0110, "Model"), (0x0131, "Software")):
            assert exif.get(tag) == texts.get(key)
        return texts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("tests/goldens/image/texts"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (16, 8), (90, 120, 200))
    found = {}
    for name, options, texts in pictures():
        picture.save(out / name, **options)
        found[name] = read_back(out / name, texts)
    (out / "texts.json").write_text(json.dumps({"pillow": PIL.__version__, "texts": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
