"""Packages that tests install with pip or npm, each into a folder of its own below build/."""

import re
import shutil
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


def install_with_npm(folder_name, package):
    """The folder of a package for node, or None and why it cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        return None, "there is no node or no npm"
    folder = BUILD / folder_name / re.sub(r"[^\w.]+", "-", package)
    if (folder / "installed").exists():
        return folder, ""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional",
                           "--omit=peer", "--fetch-retries=1", package], capture_output=True, text=True)
    if done.returncode == 0:
        (folder / "installed").touch()
        return folder, ""
    if re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH", done.stderr):
        return None, f"npm cannot reach its registry to install {package}"
    sys.exit(f"npm could not install {package}:\n{done.stderr}")
