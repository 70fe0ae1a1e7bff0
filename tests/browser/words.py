"""Checks the page without a browser: both languages have the same texts, and nothing is inline or from another origin."""

import json
import re
from pathlib import Path

from browser import Failure

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
# Error codes that no request of the page can get.
OTHERS = {"method_not_allowed", "not_implemented", "model_not_found", "key_reused", "link_ended"}


def codes():
    """All error codes that the service can answer with."""
    found = set(re.findall(r'return "(\w+)";', (ROOT / "src/core/error.cpp").read_text()))  # kinds
    for source in (ROOT / "src/service").glob("*.cpp"):
        if not source.stem.endswith("_test"):
            found |= set(re.findall(r'(?:error_response|HttpError|refuse)\(\s*\d{3},\s*"(\w+)"', source.read_text()))
    return found


def warnings():
    """All codes of a job's warnings."""
    table = re.search(r"kCodes\{(.*?)\}", (ROOT / "src/pipeline/warnings.cpp").read_text(), re.DOTALL)[1]
    return set(re.findall(r'"(\w+)"', table))


def check():
    english, spanish = (json.loads((WEB / f"{name}.json").read_text()) for name in ("en", "es"))
    wrong = [f"{key} is in one language only" for key in sorted(english.keys() ^ spanish.keys())]
    for key in english.keys() & spanish.keys():
        holes = [sorted(set(re.findall(r"\{[\w:]+\}", table[key]))) for table in (english, spanish)]
        if holes[0] != holes[1]:
            wrong.append(f"{key}: {holes[0]} in English, {holes[1]} in Spanish")
    wrong += [f"the error {code} has no text" for code in sorted(codes() - OTHERS) if f"problem.{code}" not in english]
    wrong += [f"the warning {code} has no text" for code in sorted(warnings()) if not {f"warning.{code}", f"warning.negative_{code}"} & english.keys()]
    wrong += [f"way.{name} has no text" for name in re.findall(r"'(\w+)'\]", (WEB / "problems.js").read_text()) if f"way.{name}" not in english]
    for name, table in (("English", english), ("Spanish", spanish)):
        wrong += [f"{key} mentions a flag in {name}" for key, text in table.items() if re.search(r"--\w", text)]
    page = (WEB / "index.html").read_text()
    used = set(re.findall(r'data-word(?:-\w+)?="([^"]+)"', page))
    for script in WEB.glob("*.js"):
        used |= set(re.findall(r"'((?:page|photo|pose|init|mask|controls|saved|camera|prompt|size|dials|seed|plan|stage|facts|memory|gallery|sure|key|problem|plain|style|samples|stopped|examples|likeness|doing|trouble|mode|models|people|way|warning|hint)\.\w+)'(?!:)", script.read_text()))
    wrong += [f"{key} is used but has no text" for key in sorted(used) if not key.endswith(".jpg") and key not in english and f"{key}.other" not in english]
    wrong += [f"{script.name} is not preloaded" for script in WEB.glob("*.js") if f'web/{script.name}"' not in page]
    wrong += [f"inline: {found}" for found in re.findall(r'<style|\sstyle="|\son\w+="|<script(?![^>]*\ssrc=)[^>]*>', page)]
    for file in (each for each in WEB.iterdir() if each.suffix != ".webp"):
        for url in re.findall(r"https?://[^\s\"')]+", file.read_text()):
            if url != "http://www.w3.org/2000/svg":
                wrong.append(f"{file.name} contains the URL {url}")
    if wrong:
        raise Failure("\n    ".join(wrong))
