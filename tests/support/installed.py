"""Packages that tests install with pip, each into a folder of its own below build/."""

import re
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build"
NO_INDEX = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|"
                      r"Temporary failure in name resolution|Network is unreachable|Connection refused")


def install(folder_name, client, *more):
    """The folder of a package and of `more`, or None without a network."""
    folder = BUILD / folder_name / re.sub(r"[^\w.]+", "-", client)
    if (folder / "installed").exists():
        return folder
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--upgrade",
                           "--target", str(folder), client, *more], capture_output=True, text=True)
    if done.returncode == 0:
        (folder / "installed").touch()
        return folder
    if NO_INDEX.search(done.stderr):
        return None
    sys.exit(f"pip could not install {client}:\n{done.stderr}")
