"""axe-core, the judge of accessibility, fetched for the tests only.

It comes out of a wheel of PyPI that carries it (axe-core 4.12.1, MPL-2.0), pinned by its hash: pip is smaller to
install on Debian than npm.
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
    """The script's text; from `folder` where it was fetched before."""
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
        raise Failure(f"{script} is not the axe-core that these tests know: its SHA-256 differs")
    return text.decode()


def check(page, script, where):
    """Raises for every finding that axe calls serious or critical; returns how many rules passed."""
    page.run(f"{script};0")
    result = page.run("axe.run(document, {resultTypes: ['violations']})")
    bad = [v for v in result["violations"] if v["impact"] in ("serious", "critical")]
    if bad:
        lines = [f"{v['id']} ({v['impact']}): {v['help']}: " +
                 json.dumps([n["target"] + [n.get("failureSummary", "")[:300]] for n in v["nodes"][:4]]) for v in bad]
        raise Failure(f"axe finds in {where}:\n    " + "\n    ".join(lines))
    return len(result["passes"])
