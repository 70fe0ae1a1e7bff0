#!/usr/bin/env python3
"""Runs the program with the n-th call of a kind failing, once or from then on, and checks how it ends.

    tests/failing/failing.py --build build/release            every n of every kind, but 500 for malloc
    tests/failing/failing.py --build build/release --most 5   at most 5 n of each kind
    ... --runs generate,spill --kinds mmap,open --modes once --jobs 2

Expected: a run ends by itself with exit code 0, 6 or 7. With 0, its picture equals that of a run without
failures; otherwise there is no picture, and nothing is left but the saved run. After a call that failed once,
the service makes the next job's picture; while calls keep failing it answers with errors or ends.
tests/support/failing_calls.cpp makes the calls fail. Prints a table; exits with 1 if an expectation fails."""
import argparse
import concurrent.futures
import errno
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = SOURCE / "tests/goldens/pipeline/fp16_published"
PHOTO = SOURCE / "models/demo/faces/01.png"
# The default errno of each kind.
ERRORS = {"malloc": errno.ENOMEM, "mmap": errno.ENOMEM, "open": errno.EMFILE, "pthread_create": errno.EAGAIN,
          "write": errno.ENOSPC, "pwrite": errno.ENOSPC, "ftruncate": errno.ENOSPC, "socket": errno.ENOBUFS,
          "accept": errno.EMFILE, "recv": errno.ECONNRESET, "send": errno.EPIPE}
KINDS = ["malloc", "mmap", "open", "read", "pread", "write", "pwrite", "fsync", "rename", "ftruncate", "socket",
         "accept", "recv", "send", "pthread_create"]
GOOD_CODES = (0, 6, 7)
PATIENCE = 60  # seconds until a run counts as hanging
SPILLING = "80MiB"  # the budget of the spilling run: enough, but less than it would use


class Wrong(Exception):
    """An expectation failed."""


class Runner:
    def __init__(self, build):
        self.program = str(build / "semblance")
        shims = list(build.rglob("libfailing_calls.so"))
        self.shim = str(shims[0]) if shims else sys.exit(f"cannot find libfailing_calls.so in {build}: build the tests")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="semblance_failing_"))
        self.expected = {}  # the picture of each scenario

    def environment(self, **more):
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "LD_PRELOAD": self.shim, **more}

    # -- generate

    def words(self, scenario, folder):
        words = [self.program, "generate", "--prompt", "a man in the snow", "--seed", "7", "--steps", "2",
                 "--precision", "f32", "-o", str(folder / "out.png")]
        if scenario == "photo":  # the demo model; also detects a face
            return words + ["--face", str(PHOTO), "--size", "64x64", "--steps", "1"]
        words += ["--base", str(GOLDEN / "checkpoint/base"), "--identitynet", str(GOLDEN / "checkpoint/identitynet"),
                  "--adapter", str(GOLDEN / "checkpoint/ip-adapter.bin"), "--face", str(GOLDEN / "plain/identity.json")]
        if scenario == "spill":
            return words + ["--size", "512x512", "--steps", "1", "--memory", SPILLING, "--scratch", str(folder)]
        return words + ["--size", "64x48", "--save-state", str(folder / "out.png.resume")]

    def generate(self, scenario, environment):
        """Runs it in a new folder; returns its exit code."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        try:
            try:
                ended = subprocess.run(self.words(scenario, folder), env=environment, cwd=folder, timeout=PATIENCE,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            except subprocess.TimeoutExpired as late:
                raise Wrong("the run hangs") from late
            message = ended.stderr.decode(errors="replace").strip().split("\n")[-1][:300]
            if ended.returncode < 0:
                raise Wrong(f"signal {-ended.returncode}: {message}")
            if ended.returncode not in GOOD_CODES:
                raise Wrong(f"exit code {ended.returncode}: {message}")
            left = {path.name for path in folder.iterdir()}
            picture = (folder / "out.png").read_bytes() if "out.png" in left else None
            if ended.returncode == 0:
                if picture is None:
                    raise Wrong("exit code 0, but no picture")
                if picture != self.expected.setdefault(scenario, picture):
                    raise Wrong("exit code 0, but a different picture")
                left -= {"out.png"}
            left -= {"out.png.resume"} if ended.returncode != 0 else set()
            if left:
                raise Wrong(f"exit code {ended.returncode}, but it left {sorted(left)}")
            return ended.returncode
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # -- serve

    def serve(self, environment, lasting, jobs=3):
        """Starts the service, requests a picture, stops the service; returns its exit code."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        streams = open(folder / "stdout", "w+b"), open(folder / "stderr", "w+b")
        process = subprocess.Popen([self.program, "serve", "--listen", "127.0.0.1:0", "--data", str(folder / "data"),
                                    "--scratch", str(self.folder)],
                                   env=environment, stdout=streams[0], stderr=streams[1])
        try:
            port = self.port_of(process, folder)
            if port is not None:
                self.ask_for_pictures(process, port, lasting, jobs)
                process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired as late:
                raise Wrong("the service does not exit") from late
            last = (folder / "stderr").read_text(errors="replace").strip().split("\n")[-1][:300]
            if code < 0:
                raise Wrong(f"signal {-code}: {last}")
            if code not in GOOD_CODES:
                raise Wrong(f"exit code {code}: {last}")
            return code
        finally:
            process.kill()
            process.wait()
            for file in streams:
                file.close()
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def port_of(process, folder):
        last = time.monotonic() + PATIENCE
        while process.poll() is None:
            for line in (folder / "stdout").read_text().splitlines(keepends=True):
                if line.startswith("listening on") and line.endswith("/\n"):
                    return int(line.rstrip("/\n").rsplit(":", 1)[1])
            if time.monotonic() > last:
                raise Wrong("the service does not start")
            time.sleep(0.01)
        return None

    @staticmethod
    def ask(port, method, path, body=None, headers=None, patience=10):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def ask_for_pictures(self, process, port, lasting, jobs):
        settings = json.dumps({"prompt": "a man in the snow", "width": 64, "height": 64, "steps": 2, "seed": 7})
        line = "boundary"
        body = b"".join([f'--{line}\r\nContent-Disposition: form-data; name="settings"\r\n\r\n{settings}\r\n'.encode(),
                         f'--{line}\r\nContent-Disposition: form-data; name="photo"; filename="p.png"\r\n\r\n'.encode(),
                         PHOTO.read_bytes(), f"\r\n--{line}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/form-data; boundary={line}"}
        story = []
        for _ in range(1 if lasting else jobs):
            picture, how = self.picture(process, port, body, headers, 3 if lasting else 20)
            if process.poll() is not None:
                return
            if picture is not None:
                if picture != self.expected.setdefault("serve", picture):
                    raise Wrong("a different picture")
                return
            story.append(how)
        if not lasting:
            raise Wrong(f"no picture after a failing call: {'; '.join(story)}")

    def picture(self, process, port, body, headers, patience):
        """A job's picture, or None and the reason."""
        status, answer = self.ask(port, "POST", "/api/jobs", body, headers, patience)
        if status != 201:
            return None, f"POST {status} {answer[:200]}"
        identifier = json.loads(answer)["id"]
        last = time.monotonic() + patience
        while time.monotonic() < last and process.poll() is None:
            status, answer = self.ask(port, "GET", f"/api/jobs/{identifier}", patience=patience)
            job = json.loads(answer) if status == 200 else {}
            if job.get("state") == "done":
                status, answer = self.ask(port, "GET", f"/api/jobs/{identifier}/images/0", patience=patience)
                return (answer, "") if status == 200 else (None, f"picture {status} {answer[:200]}")
            if job.get("ended"):
                return None, f"job {job['state']}: {job.get('error')}"
            time.sleep(0.01)
        return None, f"the job does not finish: {answer[-300:]}"

    # -- both

    def run(self, scenario, kind, n, mode, error):
        environment = self.environment(SEMBLANCE_FAIL=f"{kind} {n} {mode} {error}")
        if scenario == "serve":
            return self.serve(environment, mode == "lasting")
        return self.generate(scenario, environment)

    def count(self, scenario):
        """The number of calls of each kind in a run without failures."""
        path = self.folder / f"counts_{scenario}"
        environment = self.environment(SEMBLANCE_COUNT=str(path))
        for _ in range(2):  # the first run may measure the machine
            begin = time.monotonic()
            code = self.serve(environment, False, 1) if scenario == "serve" else self.generate(scenario, environment)
            if code != 0:
                raise Wrong(f"exit code {code} without failures")
        counts = {kind: int(count) for kind, count in map(str.split, path.read_text().splitlines())}
        print(f"{scenario}: {time.monotonic() - begin:.2f} s per run", file=sys.stderr)
        return counts


def chosen(count, most):
    """At most `most` numbers from 1 to count: the first ones, and a random sample of the rest."""
    if count <= most:
        return list(range(1, count + 1))
    first = list(range(1, most // 4 + 1))
    return first + random.Random(count).sample(range(len(first) + 1, count + 1), most - len(first))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build/release")
    parser.add_argument("--most", type=int, help="how many n of each kind; default: 500 for malloc, all for the others")
    parser.add_argument("--runs", default="generate,spill,photo,serve")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--modes", default="once,lasting")
    parser.add_argument("--error", help="errno of the failing calls, by name; default: a typical one for the kind, or EIO")
    parser.add_argument("--jobs", type=int, default=2, help="concurrent runs")
    options = parser.parse_args()
    runner = Runner(options.build.resolve())
    wrong = 0
    try:
        print("| run | call | mode | calls | runs | 0 | 6 | 7 | wrong |\n|---|---|---|---|---|---|---|---|---|", flush=True)
        for scenario in options.runs.split(","):
            counts = runner.count(scenario)
            for kind in options.kinds.split(","):
                error = getattr(errno, options.error) if options.error else ERRORS.get(kind, errno.EIO)
                numbers = chosen(counts[kind], options.most or (500 if kind == "malloc" else 100_000))
                for mode in options.modes.split(",") if numbers else []:
                    wrong += sweep(runner, scenario, kind, mode, error, counts[kind], numbers, options.jobs)
    finally:
        shutil.rmtree(runner.folder, ignore_errors=True)
    sys.exit(1 if wrong else 0)


def sweep(runner, scenario, kind, mode, error, count, numbers, jobs):
    """Prints one line of the table; returns how many runs were wrong."""
    codes = {code: 0 for code in GOOD_CODES}
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = {pool.submit(runner.run, scenario, kind, n, mode, error): n for n in numbers}
        try:
            for done in concurrent.futures.as_completed(runs):
                try:
                    codes[done.result()] += 1
                except Wrong as reason:
                    wrong.append((runs[done], str(reason)))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    print(f"| {scenario} | {kind} | {mode} | {count} | {len(numbers)} | "
          + " | ".join(str(codes[code]) for code in GOOD_CODES) + f" | {len(wrong)} |", flush=True)
    for n, reason in sorted(wrong):
        print(f"wrong: {scenario}, {kind} {n} {mode} {error}: {reason}", file=sys.stderr, flush=True)
    return len(wrong)


if __name__ == "__main__":
    main()
