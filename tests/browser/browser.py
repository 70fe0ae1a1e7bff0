"""Drives Debian's chromium with its debugging protocol over a pair of pipes.

Uses only Python's standard library and the browser: no driver, no WebSocket, no npm packages. A clean Debian needs
only `chromium` and `python3`.
"""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from urllib.parse import urlsplit

FLAGS = (
    "--headless=new --remote-debugging-pipe --no-first-run --disable-gpu --disable-dev-shm-usage --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync --disable-extensions --mute-audio "
    "--use-fake-ui-for-media-stream --use-fake-device-for-media-stream --force-color-profile=srgb"
).split()
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Failure(Exception):
    """An expectation of a test failed."""


class Browser:
    """One chromium with a temporary profile, removed at the end of the `with`."""

    def __init__(self, program=None, patience=20.0):
        self.patience = patience
        self._program = program or shutil.which("chromium") or shutil.which("google-chrome")
        if not self._program:
            raise Failure("cannot find chromium: apt-get install chromium")
        self._numbers = itertools.count(1)
        self._answers = {}
        self._pages = {}

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(prefix="semblance-browser-", ignore_cleanup_errors=True)
        # At 20 or above: the browser expects its ends of the pipes at 3 and 4.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in (*os.pipe(), *os.pipe())]
        to_read, self._to, self._from, from_write = ends

        def give_ends():
            os.dup2(to_read, 3)
            os.dup2(from_write, 4)

        flags = FLAGS + ([] if os.getuid() else ["--no-sandbox"])
        self._process = subprocess.Popen(
            [self._program, *flags, f"--user-data-dir={self._profile.name}", "about:blank"],
            preexec_fn=give_ends, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.call("Browser.close", timeout=5)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def call(self, method, params=None, session=None, timeout=None):
        number = next(self._numbers)
        answers = self._answers[number] = queue.Queue(1)
        message = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data):]
        try:
            answer = answers.get(timeout=timeout or 60)
        except queue.Empty:
            raise Failure(f"the browser did not answer {method}") from None
        finally:
            del self._answers[number]
        if "error" in answer:
            raise Failure(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def _read(self):
        pending = b""
        while True:
            piece = os.read(self._from, 1 << 20)
            if not piece:
                return
            pending += piece
            *messages, pending = pending.split(b"\0")
            for message in map(json.loads, messages):
                waiting = self._answers.get(message.get("id"))
                if waiting:
                    waiting.put(message)
                elif message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]].heard(message["method"], message["params"])

    def page(self, base, width=1280, height=900, **how):
        """A page in a fresh context: no storage, no cookies."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self._pages[session] = Page(self, session, context, base)
        page.begin(width, height, **how)
        return page


class Page:
    """A page as a user sees it: mouse, keys, files, visible content. Records console errors and requests to other
    origins; close() raises Failure for them."""

    def __init__(self, browser, session, context, base):
        self._browser, self._session, self._context = browser, session, context
        self.base = base.rstrip("/") + "/"
        self.complaints = []
        self._refusals_expected = False
        self._refused = []  # requests that were answered with an error
        self._dragged = None  # what the mouse has begun to drag

    def begin(self, width, height, dark=False, language="en-GB", touch=False):
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")
        self.resize(width, height, touch)
        self.call("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})
        agent = self._browser.call("Browser.getVersion")["userAgent"]
        self.call("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})
        self.call("Emulation.setLocaleOverride", {"locale": language.replace("-", "_")})
        self.call("Emulation.setFocusEmulationEnabled", {"enabled": True})

    def resize(self, width, height, touch=False):
        self._window = width, height, touch
        self.call("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2 if touch else 1, "mobile": touch})
        self.call("Emulation.setTouchEmulationEnabled", {"enabled": touch})

    def call(self, method, params=None):
        return self._browser.call(method, params, self._session)

    def heard(self, method, params):
        if method == "Input.dragIntercepted":
            self._dragged = params["data"]
        elif method == "Network.requestWillBeSent":
            self._heard_request(params["request"]["url"])
        elif method == "Network.responseReceived" and params["response"]["status"] >= 400 and not self._refusals_expected:
            self._refused.append(params["requestId"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + " ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            if not (self._refusals_expected and entry["source"] == "network"):
                self.complaints.append(f"log: {entry['text']} {entry.get('url', '')}")

    def _heard_request(self, url):
        ours = urlsplit(self.base)
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != ours.netloc:
            self.complaints.append(f"a request to another origin: {url}")

    @contextlib.contextmanager
    def refusals(self):
        """Allows refused requests within it: the browser logs every 4xx to its console."""
        self._refusals_expected = True
        yield
        self.wait_idle()
        self._refusals_expected = False

    def wait_idle(self):
        time.sleep(0.3)
        self.run("0")

    def close(self):
        self.wait_idle()
        if self.complaints:
            self.complaints += map(self._exchange, self._refused)
        self._browser.call("Target.disposeBrowserContext", {"browserContextId": self._context})
        if self.complaints:
            raise Failure("the page complained:\n    " + "\n    ".join(self.complaints))

    def _exchange(self, request):
        """What was sent and answered, as far as the browser still has it."""
        said = []
        for method, name in (("Network.getRequestPostData", "postData"), ("Network.getResponseBody", "body")):
            try:
                said.append(self.call(method, {"requestId": request})[name][:2000])
            except Exception as problem:
                said.append(f"({problem})")
        return "sent and answered: " + "\n        ".join(said)

    # ---- reading

    def run(self, code):
        """The value of a JavaScript expression, awaited."""
        answer = self.call("Runtime.evaluate", {"expression": code, "awaitPromise": True, "returnByValue": True})
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failure(f"in the page: {details.get('exception', {}).get('description', details['text'])}\n    {code[:200]}")
        return answer["result"].get("value")

    def wait(self, code, what, patience=None):
        """Waits until an expression is true; returns its value."""
        end = time.monotonic() + (patience or self._browser.patience)
        while True:
            value = self.run(code)
            if value:
                return value
            if time.monotonic() > end:
                raise Failure(f"timed out waiting for: {what}")
            time.sleep(0.05)

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)})?.textContent.trim() ?? ''")

    def value(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)}).value")

    def is_seen(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false")

    def wait_seen(self, selector, what=None, patience=None):
        self.wait(f"document.querySelector({json.dumps(selector)})?.checkVisibility()", what or f"{selector} is seen", patience)

    def wait_unseen(self, selector, what=None, patience=None):
        self.wait(f"!document.querySelector({json.dumps(selector)})?.checkVisibility()", what or f"{selector} is gone", patience)

    def screenshot(self, path, whole=False):
        if whole:
            # A window as tall as the page, so that sticky elements are at their place.
            width, height, touch = self._window
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            self.resize(width, int(size["height"]), touch)
            self.run("new Promise(requestAnimationFrame)")
        data = self.call("Page.captureScreenshot", {"format": "png"})["data"]
        if whole:
            self.resize(width, height, touch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    # ---- actions

    def open(self, path=""):
        self.call("Page.navigate", {"url": self.base + path})
        self.wait("document.documentElement?.dataset.ready !== undefined", "the page is ready")

    def reload(self):
        self.run("delete document.documentElement.dataset.ready")
        self.call("Page.reload")
        self.wait("document.readyState === 'complete' && document.documentElement?.dataset.ready !== undefined", "the page is ready again")

    def _middle(self, selector):
        box = self.run(f"""(async () => {{
            const element = document.querySelector({json.dumps(selector)});
            if (!element) return null;
            let place = null;
            // Wait until the layout is stable: a response may just have moved the element.
            for (let still = 0, frames = 0; still < 4 && frames < 60; ++frames) {{
                element.scrollIntoView({{block: 'center', behavior: 'instant'}});
                await new Promise(requestAnimationFrame);
                const now = JSON.stringify(element.getBoundingClientRect());
                still = now === place ? still + 1 : 0;
                place = now;
            }}
            const {{x, y, width, height}} = element.getBoundingClientRect();
            const point = [x + width / 2, y + height / 2];
            const top = document.elementFromPoint(...point);
            return width && height ? [...point, top === element || element.contains(top) || (top?.contains(element) ?? false)] : null;
        }})()""")
        if not box:
            raise Failure(f"{selector} is not visible")
        if not box[2]:
            raise Failure(f"{selector} is covered by something else")
        return {"x": box[0], "y": box[1]}

    def click(self, selector):
        point = self._middle(selector)
        self.call("Input.dispatchMouseEvent", {"type": "mouseMoved", **point})
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", {"type": kind, **point, "button": "left", "clickCount": 1})

    def drag(self, selector):
        """Moves the pressed mouse 20 pixels to the right from the middle of an element."""
        point = self._middle(selector)
        for kind, by in (("mouseMoved", 0), ("mousePressed", 0), ("mouseMoved", 10), ("mouseMoved", 20), ("mouseReleased", 20)):
            self.call("Input.dispatchMouseEvent", {"type": kind, "x": point["x"] + by, "y": point["y"], "button": "left", "clickCount": 1})

    def drag_onto(self, selector, target):
        """Drags an element onto another one; both must be in the window."""
        self.call("Input.setInterceptDrags", {"enabled": True})
        begin, end = self._middle(selector), self._middle(target)
        self._dragged = None
        for kind, by in (("mouseMoved", 0), ("mousePressed", 0), ("mouseMoved", 8), ("mouseMoved", 16)):
            self.call("Input.dispatchMouseEvent", {"type": kind, "x": begin["x"] + by, "y": begin["y"], "button": "left", "clickCount": 1})
        last = time.monotonic() + self._browser.patience
        while self._dragged is None:
            if time.monotonic() > last:
                raise Failure(f"{selector} cannot be dragged")
            time.sleep(0.02)
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", {"type": kind, **end, "data": self._dragged})
        self.call("Input.dispatchMouseEvent", {"type": "mouseReleased", **end, "button": "left", "clickCount": 1})
        self.call("Input.setInterceptDrags", {"enabled": False})

    def press(self, *keys):
        """Presses keys: "Enter", "Shift+ArrowLeft"."""
        for key in keys:
            shift, key = key.startswith("Shift+"), key.removeprefix("Shift+")
            name = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
            letters = {"Enter": "\r", " ": " "}.get(key)
            self.call("Input.dispatchKeyEvent", {"type": "keyDown", **name, **({"text": letters} if letters else {})})
            self.call("Input.dispatchKeyEvent", {"type": "keyUp", **name})

    def write(self, selector, text):
        """Replaces a field's content, as typing does."""
        self.run(f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.focus(); field.select(); }})()")
        if text:
            self.call("Input.insertText", {"text": text})
        else:
            self.run("document.execCommand('delete')")

    def choose_file(self, selector, path):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        self.call("DOM.setFileInputFiles", {"nodeId": node, "files": [str(path)]})

    def drop_file(self, selector, path):
        point = self._middle(selector)
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", {"type": kind, **point, "data": data})

    def paste_file(self, path):
        data = base64.b64encode(path.read_bytes()).decode()
        self.run(f"""(() => {{
            const bytes = Uint8Array.from(atob('{data}'), (letter) => letter.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], 'pasted.png', {{type: 'image/png'}}));
            document.body.dispatchEvent(new ClipboardEvent('paste', {{clipboardData, bubbles: true, cancelable: true}}));
        }})()""")

    def offline(self, off):
        self.call("Network.emulateNetworkConditions", {"offline": off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
