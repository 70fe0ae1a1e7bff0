"""`semblance serve` for tests that use it from outside."""

import contextlib
import os
import re
import subprocess
import tempfile


@contextlib.contextmanager
def served(program, *flags):
    """Runs a service with the demo model and empty cache and state; yields its URL, which ends in a slash."""
    with tempfile.TemporaryDirectory(prefix="semblance-served-") as home:
        environment = {**os.environ, "XDG_STATE_HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home, "OMP_WAIT_POLICY": "passive",
                       "HF_HUB_OFFLINE": "1"}  # no test downloads models
        process = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0", *flags], stdout=subprocess.PIPE, text=True, env=environment)
        try:
            line = process.stdout.readline()
            found = re.match(r"listening on (http://\S+)", line)
            if not found:
                raise RuntimeError(f"{program} serve: expected 'listening on URL', got {line!r}")
            yield found[1]
        finally:
            process.terminate()
            try:
                code = process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                raise RuntimeError("serve did not exit within 15 seconds of SIGTERM") from None
        if code != 0:
            raise RuntimeError(f"serve exited with {code} after SIGTERM")
