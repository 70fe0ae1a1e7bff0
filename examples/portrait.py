#!/usr/bin/env python3
"""Makes a picture of the person in a photo with the C API:

  portrait.py MODELS FACE_MODELS PHOTO SETTINGS OUT.png

MODELS and SETTINGS are JSON as described in semblance_c.h. Ctrl-C cancels after the current step.
Set SEMBLANCE_LIBRARY to the path of a library to use it instead of the installed one.
"""
import ctypes
import os
import signal
import sys
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path

ABI = 1
PNG = 0
StepCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, c_int)
library = ctypes.CDLL(os.environ.get("SEMBLANCE_LIBRARY", f"libsemblance.so.{ABI}"))
library.semblance_error_text.restype = c_char_p


class SemblanceError(Exception):
    def __init__(self, code):
        super().__init__(library.semblance_error_text().decode())
        self.code = code


def call(name, *arguments):
    code = getattr(library, "semblance_" + name)(*arguments)
    if code:
        raise SemblanceError(code)


def create(name, *arguments):
    """Calls a function and returns the handle from its last argument."""
    result = c_void_p()
    call(name, *arguments, byref(result))
    return result


def encoded(picture):
    data, length = c_void_p(), c_size_t()
    call("picture_encode", picture, PNG, byref(data), byref(length))
    png = ctypes.string_at(data, length.value)
    library.semblance_free(data)
    return png


def portrait(models, face_models, photo, settings):
    """Returns the picture as PNG. `photo`: the bytes of an image file."""
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))

    def on_step(_, index, count):
        print(f"step {index} of {count}", file=sys.stderr, flush=True)
        return len(interrupts)

    finder = create("face_finder_new", face_models.encode())
    person = create("face_finder_largest_in_memory", finder, photo, c_size_t(len(photo)))
    generator = create("generator_new", models.encode())
    generation = create("generator_start", generator, person, settings.encode(), None)
    call("generation_run", generation, StepCallback(on_step), None)
    picture = create("generation_picture", generation)
    png = encoded(picture)
    for kind, handle in [("picture", picture), ("generation", generation), ("person", person),
                         ("generator", generator), ("face_finder", finder)]:
        getattr(library, f"semblance_{kind}_free")(handle)
    return png


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    if library.semblance_abi() != ABI:
        sys.exit(f"portrait.py: the library has ABI {library.semblance_abi()}, expected {ABI}")
    _, models, face_models, photo, settings, out = sys.argv
    try:
        Path(out).write_bytes(portrait(models, face_models, Path(photo).read_bytes(), settings))
        print(out)
    except SemblanceError as error:
        print(f"portrait.py: {error}", file=sys.stderr)
        sys.exit(error.code)
