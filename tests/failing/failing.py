#!/usr/bin/env python3
"""Runs the program with the n-th call of a kind failing, once or from then on, and tells how it ended.

    tests/failing/failing.py --build build/release            every n of every kind, malloc by 500 of them
    tests/failing/failing.py --build build/release --most 5   so many n of each kind
    ... --runs generate,spill --kinds mmap,open --modes once --jobs 2

What must hold: a run ends by itself, with the codes 0, 6 or 7. With 0, its picture is that of a run without
failures; with another, there is no picture and nothing is left but the file to go on with. The service,
after a call that failed once, makes the next job's picture; while calls fail it answers with errors or ends.
tests/support/failing_calls.cpp makes the calls fail. Prints a table; exits with 1 where something does not hold."""
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
# By default; what a disk and a table of descriptors say.
ERRORS = {"malloc": errno.ENOMEM, "mmap": errno.ENOMEM, "open": errno.EMFILE, "pthread_create": errno.EAGAIN,
          "write": errno.ENOSPC, "pwrite": errno.ENOSPC, "ftruncate": errno.ENOSPC, "socket": errno.ENOBUFS,
          "accept": errno.EMFILE, "recv": errno.ECONNRESET, "send": errno.EPIPE}
KINDS = ["malloc", "mmap", "open", "read", "pread", "write", "pwrite", "fsync", "rename", "ftruncate", "socket",
         "accept", "recv", "send", "pthread_create"]
GOOD_CODES = (0, 6, 7)
PATIENCE = 60  # seconds until a run hangs
SPILLING = "80MiB"  # of the run that spills: less than it would take, and enough


class Wrong(Exception):
    """What must hold and does not."""


class Runner:
    def __init__(self, build):
        self.program = str(build / "semblance")
        shims = list(build.rglob("libfailing_calls.so"))
        self.shim = str(shims[0]) if shims else sys.exit("there is no libfailing_calls.so: build it with the tests")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="semblance_failing_"))
        self.expected = {}  # of each scenario: its picture

    def environment(self, **more):
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "LD_PRELOAD": self.shim, **more}

    # -- generate

    def words(self, scenario, folder):
        words = [self.program, "generate", "--prompt", "a man in the snow", "--seed", "7", "--steps", "2",
                 "--precision", "f32", "-o", str(folder / "out.png")]
        if scenario == "photo":  # the demo model: also looks for a face
            return words + ["--face", str(PHOTO), "--size", "64x64", "--steps", "1"]
        words += ["--base", str(GOLDEN / "checkpoint/base"), "--identitynet", str(GOLDEN / "checkpoint/identitynet"),
                  "--adapter", str(GOLDEN / "checkpoint/ip-adapter.bin"), "--face", str(GOLDEN / "plain/identity.json")]
        if scenario == "spill":
            return words + ["--size", "512x512", "--steps", "1", "--memory", SPILLING, "--scratch", str(folder)]
        return words + ["--size", "64x48", "--save-state", str(folder / "out.png.resume")]

    def generate(self, scenario, environment):
        """Runs it in a folder of its own; its exit code."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        try:
            try:
                ended = subprocess.run(self.words(scenario, folder), env=environment, cwd=folder, timeout=PATIENCE,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            except subprocess.TimeoutExpired as late:
                raise Wrong("it hangs") from late
            said = ended.stderr.decode(errors="replace").strip().split("\n")[-1][:300]
            if ended.returncode < 0:
                raise Wrong(f"signal {-ended.returncode}: {said}")
            if ended.returncode not in GOOD_CODES:
                raise Wrong(f"exit code {ended.returncode}: {said}")
            left = {path.name for path in folder.iterdir()}
            picture = (folder / "out.png").read_bytes() if "out.png" in left else None
            if ended.returncode == 0:
                if picture is None:
                    raise Wrong("it ended with 0 without a picture")
                if picture != self.expected.setdefault(scenario, picture):
                    raise Wrong("it ended with 0 and another picture")
                left -= {"out.png"}
            left -= {"out.png.resume"} if ended.returncode != 0 else set()
            if left:
                raise Wrong(f"exit code {ended.returncode}, and it left {sorted(left)}")
            return ended.returncode
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # -- serve

    def serve(self, environment, lasting, jobs=3):
        """Starts the service, has it make a picture, ends it; its exit code."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        said = open(folder / "stdout", "w+b"), open(folder / "stderr", "w+b")
        process = subprocess.Popen([self.program, "serve", "--listen", "127.0.0.1:0", "--data", str(folder / "data"),
                                    "--scratch", str(self.folder)],
                                   env=environment, stdout=said[0], stderr=said[1])
        try:
            port = self.port_of(process, folder)
            if port is not None:
                self.ask_for_pictures(process, port, lasting, jobs)
                process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired as late:
                raise Wrong("it does not end") from late
            last = (folder / "stderr").read_text(errors="replace").strip().split("\n")[-1][:300]
            if code < 0:
                raise Wrong(f"signal {-code}: {last}")
            if code not in GOOD_CODES:
                raise Wrong(f"exit code {code}: {last}")
            return code
        finally:
            process.kill()
            process.wait()
            for file in said:
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
                raise Wrong("it does not start")
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
                    raise Wrong("another picture")
                return
            story.append(how)
        if not lasting:
            raise Wrong(f"after a failing call no picture: {'; '.join(story)}")

    def picture(self, process, port, body, headers, patience):
        """A job's picture, or none and what was told instead."""
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
        return None, f"the job does not end: {answer[-300:]}"

    # -- both

    def run(self, scenario, kind, n, mode, error):
        environment = self.environment(SEMBLANCE_FAIL=f"{kind} {n} {mode} {error}")
        if scenario == "serve":
            return self.serve(environment, mode == "lasting")
        return self.generate(scenario, environment)

    def count(self, scenario):
        """Calls of each kind in a run without failures."""
        path = self.folder / f"counts_{scenario}"
        environment = self.environment(SEMBLANCE_COUNT=str(path))
        for _ in range(2):  # the first may measure the machine
            begin = time.monotonic()
            code = self.serve(environment, False, 1) if scenario == "serve" else self.generate(scenario, environment)
            if code != 0:
                raise Wrong(f"without failures it ends with {code}")
        counts = {kind: int(count) for kind, count in map(str.split, path.read_text().splitlines())}
        print(f"{scenario}: {time.monotonic() - begin:.2f} s a run", file=sys.stderr)
        return counts


def chosen(count, most):
    """At most so many of 1 to count: the first ones, and others all over the range."""
    if count <= most:
        return list(range(1, count + 1))
    first = list(range(1, most // 4 + 1))
    return first + random.Random(count).sample(range(len(first) + 1, count + 1), most - len(first))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build/release")
    parser.add_argument("--most", type=int, help="n of each kind; default: 500 of malloc, of the others all")
    parser.add_argument("--runs", default="generate,spill,photo,serve")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--modes", default="once,lasting")
    parser.add_argument("--error", help="the failing calls' errno, by name; default: a usual one of the kind, or EIO")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
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
    """One line of the table; how many runs were wrong."""
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
