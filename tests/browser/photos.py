"""Makes photos for the browser tests from the demo model's people, using only the standard library."""

import struct
import zlib
from pathlib import Path

FACES = Path(__file__).parents[2] / "models/demo/faces"


def read_png(path):
    """(width, height, rows) of an 8-bit RGB PNG without interlacing."""
    data = path.read_bytes()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if (depth, colour, interlaced) != (8, 2, 0):
                raise ValueError(f"{path}: expected 8-bit RGB without interlacing")
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    raw, rows, above = zlib.decompress(packed), [], bytearray(3 * width)
    for y in range(height):
        start = y * (3 * width + 1)
        above = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + 3 * width]), above)
        rows.append(above)
    return width, height, rows


def unfilter(kind, row, above):
    for i in range(len(row) if kind else 0):
        left = row[i - 3] if i >= 3 else 0
        up, corner = above[i], above[i - 3] if i >= 3 else 0
        near = {1: left, 2: up, 3: (left + up) // 2}.get(kind)
        if near is None:
            guess = left + up - corner
            near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
        row[i] = (row[i] + near) & 255
    return row


def write_png(path, width, rows):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def make(folder):
    """Writes one.png, two.png (two people side by side), nobody.png, large.png (as large as a photo) and broken.png; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    left, right = read_png(FACES / "01.png"), read_png(FACES / "05.png")
    (folder / "one.png").write_bytes((FACES / "03.png").read_bytes())
    write_png(folder / "two.png", left[0] + right[0], [a + b for a, b in zip(left[2], right[2])])
    write_png(folder / "nobody.png", 320, [bytes((70 + y // 4, 110, 150)) * 320 for y in range(240)])
    write_png(folder / "large.png", 1200, [bytes((90 + y // 8, 120, 140)) * 1200 for y in range(900)])
    (folder / "broken.png").write_bytes((FACES / "01.png").read_bytes()[:40])
    return folder
