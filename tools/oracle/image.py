"""Writes tests/goldens/image: pictures in every format and variant, and the reference results for them.

References: Pillow (decoding, EXIF orientation, resizing), OpenCV (bilinear resize, warp, edges, the
keypoint picture), scikit-image (the similarity transform). Run by hand:

    python tools/oracle/image.py [--out tests/goldens/image]

Needs numpy, pillow, opencv-python-headless, scikit-image. Deterministic for one set of versions;
versions.json lists those that made the committed files. astronaut.jpg is scikit-image's
photo of Eileen Collins (NASA, public domain), written once at quality 95; it is only
written again if it is missing.
"""

import argparse
import io
import json
import math
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy
import PIL
import skimage
from PIL import Image, ImageFilter, ImageOps, PngImagePlugin

Image.MAX_IMAGE_PIXELS = None


def synthetic(w, h):
    """Gradients and noise from integer arithmetic, so that the tests can make the same picture."""
    y, x, c = numpy.meshgrid(
        numpy.arange(h, dtype=numpy.uint32), numpy.arange(w, dtype=numpy.uint32),
        numpy.arange(3, dtype=numpy.uint32), indexing="ij")
    noise = (((x * x + y * y * 3 + c) * numpy.uint32(2654435761)) & 0xFFFFFFFF) >> numpy.uint32(28)
    return (((x * 5 + y * 3 + c * 60) + noise) & 255).astype(numpy.uint8)


def exif_with(orientation, kind="H", endian=">"):
    """A minimal EXIF block with an orientation as a short ("H"), a long ("I") or a byte ("B")."""
    code = {"B": 1, "H": 3, "I": 4}[kind]
    value = struct.pack(endian + kind, orientation).ljust(4, b"\0")
    head = b"MM\0*" if endian == ">" else b"II*\0"
    return head + struct.pack(endian + "IHHHI", 8, 1, 0x0112, code, 1) + value + b"\0\0\0\0"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(w, h, depth, colour, rows, extra=b"", interlace=0):
    """A PNG from raw rows, for variants that Pillow cannot write."""
    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data)
            + chunk(b"IEND", b""))


def adam7(pixels):
    """Rows of the seven passes; pixels is [h, w, bytes]."""
    for y, x, dy, dx in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
                         (0, 1, 2, 2), (1, 0, 2, 1)]:
        for row in pixels[y::dy, x::dx]:
            if row.size:
                yield row.tobytes()


def save(array, file_format, mode=None, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    if mode:
        image = image.convert(mode)
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def app1(jpeg, payload):
    """The JPEG with an extra APP1 segment right after its start."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


XMP = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
       b'tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>')


def decode_files():
    rgb = synthetic(45, 30)
    files = {}
    for orientation in range(1, 9):
        files[f"exif_{orientation}.jpg"] = save(rgb, "JPEG", quality=90,
                                                exif=exif_with(orientation))
    files["exif_0.jpg"] = save(rgb, "JPEG", quality=90, exif=exif_with(0))
    files["exif_9.jpg"] = save(rgb, "JPEG", quality=90, exif=exif_with(9))
    files["exif_long_little.jpg"] = save(rgb, "JPEG", quality=90, exif=exif_with(6, "I", "<"))
    files["exif_byte.jpg"] = save(rgb, "JPEG", quality=90, exif=exif_with(8, "B"))
    files["xmp_6.jpg"] = app1(save(rgb, "JPEG", quality=90),
                              b"http://ns.adobe.com/xap/1.0/\0" + XMP % 6)
    files["xmp_against_exif.jpg"] = app1(save(rgb, "JPEG", quality=90, exif=exif_with(3)),
                                         b"http://ns.adobe.com/xap/1.0/\0" + XMP % 6)
    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        files[f"{name}.jpg"] = save(rgb, "JPEG", quality=85, subsampling=subsampling)
        files[f"{name}_progressive.jpg"] = save(rgb, "JPEG", quality=85, subsampling=subsampling,
                                                progressive=True)
    files["rgb_kept.jpg"] = save(rgb, "JPEG", quality=85, keep_rgb=True)
    files["grey.jpg"] = save(rgb, "JPEG", mode="L", quality=90)
    files["grey_exif_5.jpg"] = save(rgb, "JPEG", mode="L", quality=90, exif=exif_with(5))
    cmyk = numpy.concatenate([rgb, synthetic(45, 30)[::-1, :, :1]], axis=2)
    files["cmyk.jpg"] = save(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=90)
    files["cmyk_exif_7.jpg"] = save(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=90,
                                    exif=exif_with(7))
    files["restarts.jpg"] = save(rgb, "JPEG", quality=85, restart_marker_blocks=2)
    files["one_pixel.jpg"] = save(rgb[:1, :1], "JPEG")

    alpha = synthetic(45, 30)[:, ::-1, 1]
    rgba = numpy.dstack([rgb, alpha])
    grey = rgb[..., 0]
    files["rgb.png"] = save(rgb, "PNG")
    files["rgba.png"] = save(rgba, "PNG")
    files["grey.png"] = save(grey, "PNG")
    files["grey_alpha.png"] = save(Image.merge("LA", [Image.fromarray(grey),
                                                      Image.fromarray(alpha)]), "PNG")
    files["one_bit.png"] = save(Image.fromarray(grey).convert("1"), "PNG")
    files["rgb_transparent_colour.png"] = save(rgb, "PNG", transparency=tuple(map(int, rgb[3, 4])))
    files["grey_transparent_colour.png"] = save(grey, "PNG", transparency=int(grey[3, 4]))
    palette = Image.fromarray(rgb).quantize(200)
    files["palette.png"] = save(palette, "PNG")
    files["palette_alpha.png"] = save(palette, "PNG", transparency=bytes(range(0, 200)))
    files["palette_4_bits.png"] = save(Image.fromarray(rgb).quantize(13), "PNG", bits=4)
    files["palette_short.png"] = raw_png(
        16, 4, 8, 3, [bytes(range(16 * y, 16 * y + 16)) for y in range(4)],
        chunk(b"PLTE", bytes(range(30))))
    for depth in (2, 4):
        count = 45 * depth // 8 + 1
        rows = [bytes((x * 37 + y * 11) & 255 for x in range(count)) for y in range(9)]
        files[f"grey_{depth}_bits.png"] = raw_png(45, 9, depth, 0, rows)
    wide = numpy.random.default_rng(5).integers(0, 65536, (12, 17, 4)).astype(">u2")
    files["rgb_16.png"] = raw_png(17, 12, 16, 2, [r[:, :3].tobytes() for r in wide])
    files["rgba_16.png"] = raw_png(17, 12, 16, 6, [r.tobytes() for r in wide])
    files["grey_alpha_16.png"] = raw_png(17, 12, 16, 4, [r[:, :2].tobytes() for r in wide])
    narrow = (wide[..., :1] % 600).astype(">u2")
    files["grey_16.png"] = raw_png(17, 12, 16, 0, [r.tobytes() for r in narrow])
    files["interlaced.png"] = raw_png(45, 30, 8, 2, adam7(rgb), interlace=1)
    files["interlaced_grey_16.png"] = raw_png(
        17, 12, 16, 0, adam7(narrow.view(numpy.uint8).reshape(12, 17, 2)), interlace=1)
    files["interlaced_exif_6.png"] = raw_png(45, 30, 8, 2, adam7(rgb),
                                             chunk(b"eXIf", exif_with(6)), interlace=1)
    for orientation in (2, 5, 8):
        files[f"exif_{orientation}.png"] = save(rgb, "PNG", exif=exif_with(orientation))
    late = save(rgb, "PNG")
    files["exif_late_7.png"] = late[:-12] + chunk(b"eXIf", exif_with(7)) + late[-12:]
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", (XMP % 3).decode())
    files["xmp_3.png"] = save(rgb, "PNG", pnginfo=text)
    files["one_pixel.png"] = save(rgb[:1, :1], "PNG")

    files["lossless.webp"] = save(rgb, "WEBP", lossless=True)
    files["lossless_alpha.webp"] = save(rgba, "WEBP", lossless=True, exact=True)
    files["lossy.webp"] = save(rgb, "WEBP", quality=90)
    files["lossy_alpha.webp"] = save(rgba, "WEBP", quality=90)
    for orientation in (4, 6):
        files[f"exif_{orientation}.webp"] = save(rgb, "WEBP", lossless=True,
                                                 exif=exif_with(orientation))
    files["xmp_8.webp"] = save(rgb, "WEBP", lossless=True, xmp=XMP % 8)
    first = numpy.zeros_like(rgba)
    first[4:20, 6:30] = rgba[4:20, 6:30]
    files["animated.webp"] = save(Image.fromarray(first), "WEBP", lossless=True, save_all=True,
                                  append_images=[Image.fromarray(rgba)], duration=100)
    files["one_pixel.webp"] = save(rgb[:1, :1], "WEBP", lossless=True)
    return files


def make_decode(out):
    (out / "decode").mkdir(exist_ok=True)
    entries, blob = [], b""
    for name, data in decode_files().items():
        (out / "decode" / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        stored = image.size
        with warnings.catch_warnings():  # about a palette's dropped alpha, which is intended
            warnings.simplefilter("ignore")
            pixels = numpy.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        entries.append({"file": name, "stored": list(stored),
                        "size": [pixels.shape[1], pixels.shape[0]], "offset": len(blob)})
        blob += pixels.tobytes()
    (out / "decode.json").write_text(json.dumps(entries, indent=0))
    (out / "decode.bin").write_bytes(blob)


def make_resize(out):
    """[w, h, to_w, to_h, filter, crc32 of the result]."""
    filters = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC,
               "lanczos": Image.LANCZOS}
    sizes = [(45, 30, 45, 30), (45, 30, 20, 30), (45, 30, 45, 77), (45, 30, 13, 9),
             (45, 30, 200, 101), (45, 30, 1, 1), (1, 1, 9, 5), (1, 40, 7, 3), (300, 2, 5, 50),
             (640, 480, 333, 211), (401, 607, 1280, 960), (3, 5000, 64, 17), (1000, 700, 999, 701),
             (1000, 3000, 427, 1280), (61, 97, 40, 55), (61, 97, 40, 54)]
    cases = []
    for w, h, to_w, to_h in sizes:
        image = Image.fromarray(synthetic(w, h))
        for name, kind in filters.items():
            crc = zlib.crc32(image.resize((to_w, to_h), kind).tobytes())
            cases.append([w, h, to_w, to_h, name, crc])
    # Sizes at which nearest depends on the rounding of accumulated steps.
    for w, to_w in [(97, 1009), (1009, 97), (333, 1000), (7, 10007)]:
        image = Image.fromarray(synthetic(w, 3))
        cases.append([w, 3, to_w, 3, "nearest", zlib.crc32(image.resize((to_w, 3), 0).tobytes())])
    (out / "resize.json").write_text(json.dumps(cases).replace("], ", "],\n"))


def make_opencv(out, photo):
    """Bilinear resizes of synthetic pictures and aligned faces of the photo."""
    entries, blob = [], b""
    for w, h, to_w, to_h in [(60, 40, 37, 53), (60, 40, 30, 20), (60, 40, 120, 80), (33, 77, 16, 64),
                             (300, 200, 61, 41), (5, 4, 5, 4), (1, 1, 4, 3)]:
        pixels = cv2.resize(synthetic(w, h), (to_w, to_h), interpolation=cv2.INTER_LINEAR)
        entries.append({"from": [w, h], "to": [to_w, to_h], "offset": len(blob)})
        blob += pixels.tobytes()
    faces = []
    template = numpy.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366],
                            [41.5493, 92.3655], [70.7299, 92.2041]], dtype=numpy.float64)
    face = numpy.array([[201.3, 106.2], [247.9, 104.1], [226.4, 136.8], [207.7, 156.3],
                        [248.2, 154.9]], dtype=numpy.float32)
    turn = numpy.array([[0.7, -0.6], [0.6, 0.7]], dtype=numpy.float32)
    for points in [face, face[::-1] * 1.3 + 20, face @ turn.T - 120, (face - 220) * 3 + 256,
                   face[:, ::-1].copy()]:
        points = points.astype(numpy.float32)
        matrix = skimage.transform.SimilarityTransform.from_estimate(
            points.astype(numpy.float64), template).params[:2]
        crop = cv2.warpAffine(photo, matrix, (112, 112), borderValue=0.0)
        faces.append({"keypoints": points.astype(float).tolist(), "matrix": matrix.tolist(),
                      "offset": len(blob)})
        blob += crop.tobytes()
    (out / "opencv.json").write_text(json.dumps({"resize": entries, "faces": faces}, indent=0))
    (out / "opencv.bin").write_bytes(blob)


def make_canny(out, photo):
    """Edges as InstantID's demo finds them (gradio_demo/controlnet_util.py), on pictures in BGR."""
    entries = []
    for is_photo, w, h in [(True, 512, 512), (True, 104, 72), (True, 64, 136), (False, 300, 200),
                           (False, 33, 77), (False, 1, 1), (False, 3, 2)]:
        picture = (numpy.asarray(Image.fromarray(photo).resize((w, h), Image.LANCZOS)) if is_photo
                   else synthetic(w, h))
        edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), 100, 200)
        crc = zlib.crc32(numpy.repeat(edges[..., None], 3, axis=2).tobytes())
        entries.append({"photo": is_photo, "size": [w, h], "edges": int((edges > 0).sum()), "crc": crc})
    (out / "canny.json").write_text(json.dumps(entries).replace("}, ", "},\n"))


def draw_keypoints(points, w, h):
    """The published picture of five keypoints, drawn from its description: float32 points, 64-bit
    canvas."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)]
    points = numpy.array(points, dtype=numpy.float32)
    canvas = numpy.zeros([h, w, 3])
    for outer in (0, 1, 3, 4):
        x, y = points[[outer, 2], 0], points[[outer, 2], 1]
        length = ((x[0] - x[1]) ** 2 + (y[0] - y[1]) ** 2) ** 0.5
        angle = math.degrees(math.atan2(y[0] - y[1], x[0] - x[1]))
        outline = cv2.ellipse2Poly((int(numpy.mean(x)), int(numpy.mean(y))), (int(length / 2), 4),
                                   int(angle), 0, 360, 1)
        canvas = cv2.fillConvexPoly(canvas.copy(), outline, colours[outer])
    canvas = (canvas * 0.6).astype(numpy.uint8)
    for (x, y), colour in zip(points, colours):
        canvas = cv2.circle(canvas.copy(), (int(x), int(y)), 10, colour, -1)
    return canvas.astype(numpy.uint8)


def make_draw(out):
    (out / "draw").mkdir(exist_ok=True)
    generator = numpy.random.default_rng(11)
    face = numpy.array([[201.3, 106.2], [247.9, 104.1], [226.4, 136.8], [207.7, 156.3],
                        [248.2, 154.9]])
    cases = [(face, 512, 512), (face * 2.2, 1024, 768), (face * [-1, 1] + [350, 0], 300, 260),
             (face * 3 - 300, 400, 330), (face * 0 + [50.7, 40.2], 100, 80), (face * 0.01, 64, 64),
             (face * [-1, -1], 64, 48), (face + [5000, 0], 80, 80), ((face - 220) * 50 + 120, 256, 256),
             (face * [1, 1e4] + [-150, -1e6], 128, 128), (face, 1, 1),
             ([[0, 0], [63, 0], [31.5, 31.5], [0, 63], [63, 63]], 64, 64),
             ([[-1e6, 30], [1e6, 30], [60, 40], [30, -1e6], [30, 1e6]], 120, 90)]
    for _ in range(12):
        cases.append((generator.uniform(-60, 316, (5, 2)), 256, 200))
    entries = []
    for i, (points, w, h) in enumerate(cases):
        points = numpy.array(points, dtype=numpy.float32)
        Image.fromarray(draw_keypoints(points, w, h)).save(out / "draw" / f"{i:02}.png",
                                                           optimize=True)
        entries.append({"file": f"{i:02}.png", "size": [w, h],
                        "keypoints": points.astype(float).tolist()})
    (out / "draw.json").write_text(json.dumps(entries).replace("}, ", "},\n"))


def make_photo_size(out):
    """The published rule for many shapes: [w, h, first w, first h, final w, final h]; None if a
    side becomes 0."""
    generator = numpy.random.default_rng(3)
    shapes = [(1, 1), (512, 512), (4000, 3000), (3000, 4000), (1920, 1080), (20000, 1), (20000, 1000),
              (1000, 20001), (1279, 1281), (65500, 3300), (64, 1280), (63, 1280)]
    shapes += [tuple(map(int, generator.integers(1, 6000, 2))) for _ in range(400)]
    cases = []
    for w, h in shapes:
        ratio = 1024 / min(h, w)
        w1, h1 = round(ratio * w), round(ratio * h)
        ratio = 1280 / max(h1, w1)
        first = [round(ratio * w1), round(ratio * h1)]
        final = [first[0] // 64 * 64, first[1] // 64 * 64]
        cases.append([w, h, *first, *(final if min(final) else [0, 0])])
    (out / "photo_size.json").write_text(json.dumps(cases).replace("], ", "],\n"))


def make_resize_photo(out, photo):
    ratio = 1024 / 190
    w1, h1 = round(ratio * 260), round(ratio * 190)
    ratio = 1280 / max(w1, h1)
    first = Image.fromarray(photo).crop((100, 30, 360, 220)).resize(
        (round(ratio * w1), round(ratio * h1)), Image.BILINEAR)
    final = first.resize((first.width // 64 * 64, first.height // 64 * 64), Image.BILINEAR)
    (out / "resize_photo.json").write_text(json.dumps(
        {"crop": [100, 30, 260, 190], "size": final.size, "crc": zlib.crc32(final.tobytes())}))


def make_masks(out):
    """Grey by Pillow, blurs by OpenCV with AUTOMATIC1111's kernel, surroundings by diffusers."""
    from diffusers.image_processor import VaeImageProcessor

    blurs = []
    for (w, h), sigma in [((9, 7), 1), ((23, 14), 2), ((16, 40), 4), ((5, 3), 6)]:
        grey = numpy.asarray(Image.fromarray(synthetic(w, h)).convert("L"))
        kernel = 2 * int(2.5 * sigma + 0.5) + 1
        blurred = cv2.GaussianBlur(cv2.GaussianBlur(grey, (kernel, 1), sigma), (1, kernel), sigma)
        blurs.append({"size": [w, h], "sigma": sigma, "grey": grey.ravel().tolist(), "blurred": blurred.ravel().tolist()})
    draw = numpy.random.default_rng(5)
    regions = []
    for _ in range(60):
        w, h = (int(side) for side in draw.integers(8, 90, 2))
        left, top = int(draw.integers(0, w - 1)), int(draw.integers(0, h - 1))
        right, bottom = int(draw.integers(left + 1, w + 1)), int(draw.integers(top + 1, h + 1))
        mask = numpy.zeros((h, w), numpy.uint8)
        mask[top:bottom, left:right] = 255
        shape = [int(side) * 8 for side in draw.integers(1, 12, 2)]
        padding = int(draw.integers(0, 12))
        region = VaeImageProcessor.get_crop_region(Image.fromarray(mask), *shape, padding)
        regions.append({"size": [w, h], "box": [left, top, right, bottom], "shape": shape, "padding": padding,
                        "region": [int(edge) for edge in region]})  # fmt: skip
    fills = []
    for (w, h), box in [((40, 30), (10, 8, 25, 22)), ((31, 64), (0, 0, 20, 40)), ((600, 16), (100, 2, 500, 14)), ((12, 9), (0, 0, 12, 9))]:
        mask = numpy.zeros((h, w), numpy.uint8)
        mask[box[1]:box[3], box[0]:box[2]] = 255
        mask[box[1], box[0]:box[2]] = 100  # soft
        filled = numpy.asarray(fill(Image.fromarray(synthetic(w, h)), Image.fromarray(mask)))
        fills.append({"size": [w, h], "box": box, "crc": zlib.crc32(filled.tobytes())})
    (out / "masks.json").write_text(json.dumps({"blurs": blurs, "regions": regions, "fills": fills}).replace("}, ", "},\n"))


def fill(picture, mask):
    """What AUTOMATIC1111's modules/masking.py computes: the unmasked part, blurred less and less, layer over layer."""
    kept = Image.new("RGBa", picture.size)
    kept.paste(picture.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    filled = Image.new("RGBA", picture.size)
    for sigma, times in [(256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)]:
        layer = kept.filter(ImageFilter.GaussianBlur(sigma)).convert("RGBA")
        for _ in range(times):
            filled.alpha_composite(layer)
    return filled.convert("RGB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tests/goldens/image"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    photo_path = out / "astronaut.jpg"
    if not photo_path.exists():
        Image.fromarray(skimage.data.astronaut()).save(photo_path, quality=95)
    photo = numpy.asarray(Image.open(photo_path).convert("RGB"))
    make_decode(out)
    make_resize(out)
    make_opencv(out, photo)
    make_canny(out, photo)
    make_draw(out)
    make_photo_size(out)
    make_resize_photo(out, photo)
    (out / "photo.json").write_text(json.dumps(
        {"size": [photo.shape[1], photo.shape[0]], "crc": zlib.crc32(photo.tobytes())}))
    # Pillow's JPEG of quality 95, decoded again: our encoder must give the same picture.
    again = numpy.asarray(Image.open(io.BytesIO(save(photo, "JPEG", quality=95))).convert("RGB"))
    make_masks(out)
    (out / "jpeg_quality.json").write_text(json.dumps({"crc": zlib.crc32(again.tobytes())}))
    (out / "versions.json").write_text(json.dumps(
        {"pillow": PIL.__version__, "opencv": cv2.__version__, "skimage": skimage.__version__,
         "numpy": numpy.__version__}))


if __name__ == "__main__":
    main()
