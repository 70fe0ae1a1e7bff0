"""Accessibility checks with axe-core, which is downloaded only for the tests.

It is taken from a PyPI wheel that contains it (axe-core 4.12.1, MPL-2.0), pinned by its hash, because pip is a smaller
installation on Debian than npm.
"""

import hashlib
import json
import subprocess
import sys
import zipfile

from browser import Failure

WHEEL = "axe-playwright-python==0.1.8"
MEMBER = "axe_playwright_python/axe.min.js"
SHA256 = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc"


def fetch(folder):
    """The script's text; downloads it to `folder` if it is not there yet."""
    script = folder / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--only-binary", ":all:", "--dest", str(folder), WHEEL], check=True)
        with zipfile.ZipFile(next(folder.glob("axe_playwright_python-*.whl"))) as wheel:
            script.write_bytes(wheel.read(MEMBER))
    text = script.read_bytes()
    if hashlib.sha256(text).hexdigest() != SHA256:
        script.unlink()
        raise Failure(f"{script} is not the pinned axe-core: its SHA-256 differs")
    return text.decode()


def check(page, script, where):
    """Raises Failure for serious or critical findings; returns how many rules passed."""
    page.run(f"{script};0")
    result = page.run("axe.run(document, {resultTypes: ['violations']})")
    bad = [v for v in result["violations"] if v["impact"] in ("serious", "critical")]
    if bad:
        lines = [f"{v['id']} ({v['impact']}): {v['help']}: " +
                 json.dumps([n["target"] + [n.get("failureSummary", "")[:300]] for n in v["nodes"][:4]]) for v in bad]
        raise Failure(f"axe findings in {where}:\n    " + "\n    ".join(lines))
    return len(result["passes"])
