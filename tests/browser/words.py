"""What can be told of the page without a browser: both languages say the same things, and nothing is inline or from elsewhere."""

import json
import re
from pathlib import Path

from browser import Failure

WEB = Path(__file__).parents[2] / "web"


def check():
    english, spanish = (json.loads((WEB / f"{name}.json").read_text()) for name in ("en", "es"))
    wrong = [f"{key} is in one language only" for key in sorted(english.keys() ^ spanish.keys())]
    for key in english.keys() & spanish.keys():
        holes = [sorted(set(re.findall(r"\{[\w:]+\}", table[key]))) for table in (english, spanish)]
        if holes[0] != holes[1]:
            wrong.append(f"{key}: {holes[0]} in English, {holes[1]} in Spanish")
    page = (WEB / "index.html").read_text()
    used = set(re.findall(r'data-word(?:-\w+)?="([^"]+)"', page))
    for script in WEB.glob("*.js"):
        used |= set(re.findall(r"'((?:page|photo|pose|saved|camera|prompt|size|dials|seed|plan|stage|facts|memory|gallery|sure|key|problem)\.\w+)'", script.read_text()))
    wrong += [f"{key} is said but has no words" for key in sorted(used) if not key.endswith(".jpg") and key not in english and f"{key}.other" not in english]
    wrong += [f"inline: {found}" for found in re.findall(r'<style|\sstyle="|\son\w+="|<script(?![^>]*\ssrc=)[^>]*>', page)]
    for file in WEB.iterdir():
        for url in re.findall(r"https?://[^\s\"')]+", file.read_text()):
            if url != "http://www.w3.org/2000/svg":
                wrong.append(f"{file.name} names {url}")
    if wrong:
        raise Failure("\n    ".join(wrong))
