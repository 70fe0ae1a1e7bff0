#!/usr/bin/env python3
"""Makes pictures with twelve different requests and checks that their pixels have not changed.

    tests/same_bytes/same_bytes.py [--program build/release/semblance] [--against OTHER | --record]

Always checks that requests for the same picture (within a budget, resumed, by the service) give the same pixels and
latents. By default also compares the pixels with hashes.json, if it lists this kind of processor. Requests in bf16 are
left out where the processor has no instructions for it.
--against OTHER   compares with another build of the program instead, on this machine
--record          writes this machine's hashes to hashes.json

The last bits depend on the instructions and caches of the processor, so hashes.json has a table for each kind, and on
the number of threads, so all requests run with two.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
HASHES = pathlib.Path(__file__).with_name("hashes.json")
PHOTO = ROOT / "models/demo/faces/01.png"
POSE = ROOT / "models/demo/faces/02.png"
DEMO = ["--face", PHOTO, "--prompt", "a smiling woman in the snow", "--size", "128x192", "--steps", "6", "--seed", "7",
        "--detector-size", "640"]
FACE_MODELS = ROOT / "models/demo/face-models"


def small(name, *flags):
    """Flags for one of the small random checkpoints."""
    folder = ROOT / "tests/goldens/pipeline" / name / "checkpoint"
    adapter = next(folder.glob("ip-adapter*"))
    return ["--base", folder / "base", "--identitynet", folder / "identitynet", "--adapter", adapter,
            "--face-models", FACE_MODELS, "--face", PHOTO, "--prompt", "a man in the snow", "--size", "128x96", "--steps", "4", "--seed", "7",
            "--detector-size", "640", *flags]


# --detector-size is fixed, because with little memory the detector would start at another size and find the face at a
# slightly different place.
# Name, picture (requests for the same picture must agree), way of requesting it, flags.
REQUESTS = [
    ("demo f32", "demo f32", "once", [*DEMO, "--precision", "f32"]),
    ("demo f32 within 48 MiB", "demo f32", "once", [*DEMO, "--precision", "f32", "--memory", "48MiB"]),
    ("demo f32 resumed", "demo f32", "resumed", [*DEMO, "--precision", "f32"]),
    ("demo f32 by the service", "demo f32", "service", [*DEMO, "--precision", "f32"]),
    ("demo bf16", "demo bf16", "once", [*DEMO, "--precision", "bf16", "--negative", "blurry", "--pose", POSE]),
    ("demo bf16 within 48 MiB", "demo bf16", "once",
     [*DEMO, "--precision", "bf16", "--negative", "blurry", "--pose", POSE, "--memory", "48MiB"]),
    ("fp16_published f32", "fp16_published f32", "once", small("fp16_published", "--precision", "f32")),
    ("fp16_published bf16 within 64 MiB", "fp16_published bf16", "once",
     small("fp16_published", "--precision", "bf16", "--memory", "64MiB", "--guidance", "1")),
    ("bf16_shards f32 in tiles", "bf16_shards f32", "once", small("bf16_shards", "--precision", "f32", "--vae-tiling", "--negative", "")),
    ("bf16_shards bf16 resumed within 64 MiB", "bf16_shards bf16", "resumed",
     small("bf16_shards", "--precision", "bf16", "--memory", "64MiB", "--identity-end", "0.5")),
    ("fp32_convolutions f32", "fp32_convolutions f32", "once", small("fp32_convolutions", "--precision", "f32", "--guidance", "7.5")),
    ("fp32_convolutions bf16 without IdentityNet", "fp32_convolutions bf16", "once",
     small("fp32_convolutions", "--precision", "bf16", "--identity-strength", "0")),
]


def processor():
    """The properties that the bits depend on: model, instruction sets that kernels check, and cache sizes."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    vendor, family, model, flags = (re.search(rf"^{key}\s*:\s*(.*)$", text, re.M)[1] for key in ("vendor_id", "cpu family", "model", "flags"))
    flags = flags.split()
    kind = [f"{vendor} {family}/{model}"] + [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_bf16") if name in flags]
    for level in ("2", "3"):
        for index in pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
            if (index / "level").read_text().strip() == level:
                kind.append(f"L{level} {(index / 'size').read_text().strip()}")
    return ", ".join(kind)


def pixels_of(png):
    """A PNG's uncompressed data: its filtered pixels, without its text and independent of zlib."""
    at, head, data = 8, b"", b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + length]
        head += body if kind == b"IHDR" else b""
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    return head + zlib.decompress(data)


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


class NoBf16(Exception):
    """The processor has no instructions for it."""


class Program:
    def __init__(self, path, folder, cache):
        self.path = pathlib.Path(path).resolve()
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "XDG_STATE_HOME": folder, "XDG_DATA_HOME": folder, "XDG_CACHE_HOME": cache, "LC_ALL": "C"}

    def start(self, *words, **more):
        return subprocess.Popen([str(word) for word in (self.path, *words)], env=self.environment, cwd=self.folder, text=True, stderr=subprocess.PIPE, **more)

    def end(self, process, *codes):
        errors = process.communicate(timeout=300)[1]
        if "cannot compute in bf16: this processor" in errors:
            raise NoBf16
        if process.returncode not in codes:
            sys.exit(f"{' '.join(process.args)} exited with {process.returncode}:\n{errors}")

    def generate(self, *words):
        self.end(self.start("generate", *words, "-q", stdout=subprocess.DEVNULL), 0)

    def once(self, flags):
        self.generate(*flags, "--threads", "2", "-o", "out.png", "--latents", "out.npy")
        return self.made()

    def made(self):
        return (self.folder / "out.png").read_bytes(), (self.folder / "out.npy").read_bytes()

    def resumed(self, flags):
        """Stops the run once a step has been saved, then resumes it."""
        stopped = None
        while stopped is None or stopped.returncode == 0:  # 0: it finished before the signal
            stopped = self.start("generate", *flags, "--threads", "2", "-o", "out.png", "--latents", "out.npy", "--save-state", "state",
                                 stdout=subprocess.DEVNULL)
            while not (self.folder / "state").exists() and stopped.poll() is None:
                time.sleep(0.001)
            stopped.send_signal(signal.SIGINT)
            self.end(stopped, 0, 130)
        self.generate("--resume", "state")
        return self.made()

    def service(self, flags):
        """Makes the picture with a job of the service, which gives no latents."""
        given = dict(zip(flags[::2], flags[1::2]))
        width, height = map(int, given["--size"].split("x"))
        settings = {"prompt": given["--prompt"], "width": width, "height": height, "steps": int(given["--steps"]), "seed": int(given["--seed"])}
        process = self.start("serve", "--listen", "127.0.0.1:0", "--data", "data", "--threads", "2", "--precision",
                             given["--precision"], stdout=subprocess.PIPE)
        try:
            url = re.search(r"http://\S+/", process.stdout.readline())[0]
            boundary = uuid.uuid4().hex
            parts = [("settings", json.dumps(settings).encode()), ("photo", pathlib.Path(given["--face"]).read_bytes())]
            body = b"".join(b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n' % (boundary.encode(), name.encode(), data)
                            for name, data in parts) + f"--{boundary}--\r\n".encode()
            request = urllib.request.Request(url + "api/jobs", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
            job = json.load(urllib.request.urlopen(request, timeout=60))
            while job["state"] not in ("done", "failed", "cancelled"):
                time.sleep(0.05)
                job = json.load(urllib.request.urlopen(f"{url}api/jobs/{job['id']}", timeout=60))
            if job["state"] != "done":
                sys.exit(f"the service's job is not done: {job}")
            picture = urllib.request.urlopen(f"{url}api/jobs/{job['id']}/images/0", timeout=60).read()
        finally:
            process.terminate()
            process.communicate(timeout=60)
        return picture, None


def hashes_of(path, home):
    """Hashes of every picture's pixels and latents. Exits if two requests for the same picture differ."""
    found = {}
    for number, (name, picture, way, flags) in enumerate(REQUESTS):
        folder = pathlib.Path(home, str(number))
        folder.mkdir()
        try:
            png, latents = getattr(Program(path, folder, home), way)(flags)
        except NoBf16:
            print(f"{name}: not on this processor")
            continue
        got = {"pixels": digest(pixels_of(png)), **({"latents": digest(latents)} if latents else {})}
        first = found.setdefault(picture, got)
        for what, value in got.items():
            if first.get(what, value) != value:
                sys.exit(f"{name}: expected {what} {first[what]}, got {value}")
        print(f"{name}: {got}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/semblance")
    parser.add_argument("--against", metavar="OTHER")
    parser.add_argument("--record", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="semblance-same-") as home:
        got = hashes_of(asked.program, home)
    recorded = json.loads(HASHES.read_text()) if HASHES.exists() else {}
    kind = processor()
    if asked.record:
        recorded[kind] = got
        HASHES.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
        return
    want = recorded.get(kind)
    if asked.against:
        with tempfile.TemporaryDirectory(prefix="semblance-same-") as home:
            want = hashes_of(asked.against, home)
    if want is None:
        print(f"all requests agree; hashes.json has no entry for this processor ({kind}): --record adds one")
        return
    different = [picture for picture in want if got.get(picture) != want[picture]]
    if different:
        sys.exit(f"bits differ from {HASHES.name if asked.against is None else asked.against}: {', '.join(different)} ({kind})")
    print(f"all {len(want)} pictures have the same bits as before ({kind})")


if __name__ == "__main__":
    main()
