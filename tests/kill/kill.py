#!/usr/bin/env python3
"""Kills `semblance serve` at random moments and checks that it keeps its promises.

    tests/kill/kill.py [--program build/release/semblance] [--kills 60] [--seed 1] [--data DIR]

A service with the demo model gets jobs, is killed with kill -9, even during its start, and is started again. At the end:

  - every job that was answered with 201 exists once, is done, and ended once;
  - its pictures are bit for bit those of an uninterrupted service with the same seed;
  - nothing is left behind: no photo, no face, no saved run, nothing half written.

The service gives a job up after three consecutive starts that completed no step. The kills alone must not cause that,
so every second start is not killed until the running job has completed one.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = [(ROOT / f"models/demo/faces/{number:02}.png").read_bytes() for number in (1, 2)]
MOST_WAITING = 4
PATIENCE = 120  # seconds to wait for any condition


class Job:
    """One request. Jobs whose numbers are equal modulo KINDS request the same pictures."""

    KINDS = 6
    SAMPLERS = ["euler", "dpmpp_2m", "euler_a", "dpmpp_sde", "unipc", "heun"]

    def __init__(self, number):
        self.kind = number % self.KINDS
        self.key = str(uuid.uuid4())
        settings = {"prompt": "a man in the snow", "width": 64, "height": 64 + 64 * (self.kind % 2), "steps": 4 + 4 * (self.kind % 3),
                    "seed": 1000 + self.kind, "count": 1 + self.kind % 2, "scheduler": self.SAMPLERS[self.kind],
                    "noise": "comfy" if self.kind == 3 else "cpu"}
        boundary = uuid.uuid4().hex
        parts = [("settings", json.dumps(settings).encode()), ("photo", PHOTOS[self.kind % 2])]
        if self.kind == 3:
            parts.append(("pose", PHOTOS[0]))
        self.count = settings["count"]
        self.type = f"multipart/form-data; boundary={boundary}"
        self.body = b"".join(b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n' % (boundary.encode(), name.encode(), data)
                             for name, data in parts) + f"--{boundary}--\r\n".encode()


class Service:
    """One start of the program."""

    def __init__(self, program, data, home):
        environment = {**os.environ, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home, "OMP_WAIT_POLICY": "passive"}
        self.port = None
        self.process = subprocess.Popen([program, "serve", "--quiet", "--listen", "127.0.0.1:0", "--threads", "1", "--keep", "1000000", "--data", data],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def listens(self):
        """Waits for the line with the address; False if the service is killed before."""
        found = re.match(r"listening on http://127.0.0.1:(\d+)/", self.process.stdout.readline())
        self.port = int(found[1]) if found else None
        return found is not None

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()

    def submit(self, job):
        """The job's id, or None if the queue is full."""
        status, body = self.ask("POST", "/api/jobs", job.body, {"Content-Type": job.type, "Idempotency-Key": job.key})
        expect(status in (201, 429), f"POST /api/jobs: expected 201 or 429, got {status}: {body[:300]!r}")
        return json.loads(body)["id"] if status == 201 else None

    def jobs(self):
        """All jobs by id."""
        found, before = {}, ""
        while True:
            status, body = self.ask("GET", f"/api/jobs?limit=200&before={before}")
            expect(status == 200, f"GET /api/jobs: expected 200, got {status}: {body[:300]!r}")
            page = json.loads(body)["jobs"]
            for job in page:
                expect(job["id"] not in found, f"job {job['id']} is listed twice")
                found[job["id"]] = job
            if len(page) < 200:
                return found
            before = page[-1]["id"]

    def pictures(self, id, count):
        answers = [self.ask("GET", f"/api/jobs/{id}/images/{n}") for n in range(count)]
        expect(all(status == 200 for status, _ in answers), f"pictures of job {id} are missing: {[status for status, _ in answers]}")
        return [body for _, body in answers]

    def kill(self):
        self.process.kill()
        self.reap(-signal.SIGKILL)

    def stop(self):
        self.process.terminate()
        self.reap(0)

    def reap(self, wanted):
        try:
            _, errors = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the service did not exit within a minute") from None
        expect(self.process.returncode == wanted, f"expected the service to exit with {wanted}, got {self.process.returncode}: {errors}")


def expect(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


def until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        expect(time.monotonic() < end, f"timed out after {PATIENCE} s waiting for {what}")
        time.sleep(0.01)


class Test:
    def __init__(self, options, home):
        self.program, self.home = options.program, home
        self.data = options.data or os.path.join(home, "data")
        self.random = random.Random(options.seed)
        self.accepted = {}  # id: Job
        self.unanswered = []  # jobs sent to a service that was killed before it answered
        self.ended = {}  # id: end time, when first seen
        self.submitted = self.kills = self.kills_at_start = 0
        self.start_seconds = 0.3
        self.service = None  # the latest start

    def start(self, data=None):
        self.service = Service(self.program, data or self.data, self.home)
        return self.service

    def references(self):
        """The pictures of an uninterrupted service, by kind."""
        service = self.start(os.path.join(self.home, "reference"))
        begin = time.monotonic()
        expect(service.listens(), "the service does not start")
        self.start_seconds = time.monotonic() - begin
        jobs = [Job(kind) for kind in range(Job.KINDS)]
        ids = [service.submit(job) for job in jobs]
        until(lambda: all(job["ended"] for job in service.jobs().values()), "the end of the uninterrupted jobs")
        pictures = [service.pictures(id, job.count) for id, job in zip(ids, jobs)]
        service.stop()
        return pictures

    def look(self, service):
        """All jobs; checks that ended jobs have stayed ended."""
        jobs = service.jobs()
        for id, when in self.ended.items():
            expect(id in jobs and jobs[id]["ended"] == when, f"job {id} ended at {when}, and is now {jobs.get(id)}")
        for id, job in jobs.items():
            if job["ended"]:
                self.ended[id] = job["ended"]
        return jobs

    def send(self, service):
        """Sends a job; first repeats an unanswered one, which may be in the queue or not."""
        if self.unanswered:
            job = self.unanswered.pop()
        else:
            job = Job(self.submitted)
            self.submitted += 1
        try:
            id = service.submit(job)
        except BaseException:
            self.unanswered.append(job)
            raise
        if id is None:
            self.unanswered.append(job)
        else:
            expect(id not in self.accepted, f"two requests got the same job {id}")
            self.accepted[id] = job

    def wait_for_gain(self, service):
        """Waits until the running job has saved a new step since this start, or a job has ended."""
        first = {}
        ended = len(self.ended)

        def gained():
            jobs = self.look(service)
            for id, job in jobs.items():
                # The first step is known only in this stage. When the job is two steps further, one more has been saved.
                if job["stage"] == "steps":
                    if job["step"] >= first.setdefault((id, job["image"]), job["step"]) + 2:
                        return True
            return len(self.ended) > ended or all(job["ended"] for job in jobs.values())

        until(gained, "a further step")

    def kill_once(self):
        self.kills += 1
        service = self.start()
        must_gain = self.kills % 2 == 0
        if not must_gain and self.random.random() < 0.4:
            self.kills_at_start += 1
            time.sleep(self.random.uniform(0, self.start_seconds))
            service.kill()
            return
        expect(service.listens(), "the service did not start")
        jobs = self.look(service)
        if must_gain:
            self.wait_for_gain(service)
        killer = threading.Timer(self.random.expovariate(1 / 0.15), service.process.kill)
        killer.start()
        try:
            waiting = sum(not job["ended"] for job in jobs.values())
            for _ in range(self.random.randint(0, max(0, MOST_WAITING - waiting))):
                self.send(service)
        except (OSError, http.client.HTTPException):
            pass  # killed before the answer
        killer.join()
        service.reap(-signal.SIGKILL)

    def finish(self, pictures):
        service = self.start()
        expect(service.listens(), "the service did not start")
        while self.unanswered:
            self.send(service)
            time.sleep(0.02)
        until(lambda: all(job["ended"] for job in self.look(service).values()), "the end of all jobs")
        jobs = self.look(service)
        expect(jobs.keys() == self.accepted.keys(),
               f"accepted jobs that are gone: {self.accepted.keys() - jobs.keys()}; unknown jobs: {jobs.keys() - self.accepted.keys()}")
        for id, job in self.accepted.items():
            expect(jobs[id]["state"] == "done", f"job {id} was accepted and is now {jobs[id]}")
            expect(len(jobs[id]["images"]) == job.count, f"job {id}: expected {job.count} pictures, got {len(jobs[id]['images'])}")
            expect(service.pictures(id, job.count) == pictures[job.kind], f"job {id}: the bits differ from those without a kill")
        service.stop()

    def expect_nothing_left(self):
        wanted = {"lock", "link-secret", "service.sqlite"} | {f"jobs/{id}/{n}.png" for id, job in self.accepted.items() for n in range(job.count)}
        small = {path.removesuffix("png") + "webp" for path in wanted if path.endswith(".png")}  # made where there was time
        there = {str(path.relative_to(self.data)) for path in pathlib.Path(self.data).rglob("*") if not path.is_dir()}
        there -= small
        expect(there == wanted, f"left behind: {sorted(there - wanted)[:20]}; missing: {sorted(wanted - there)[:20]}")

    def run(self, kills):
        pictures = self.references()
        while self.kills < kills:
            self.kill_once()
            if self.kills % 100 == 0:
                print(f"{self.kills} kills, {len(self.accepted)} jobs accepted, {len(self.ended)} ended", flush=True)
        self.finish(pictures)
        self.expect_nothing_left()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/semblance"))
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="seed of the random moments")
    parser.add_argument("--data", help="data folder to inspect after a failure; must not exist yet")
    options = parser.parse_args()
    print(f"{options.kills} kills, --seed {options.seed}", flush=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="semblance-kill-") as home:
        test = Test(options, home)
        try:
            test.run(options.kills)
        except AssertionError as error:
            sys.exit(f"after {test.kills} kills: {error}")
        finally:
            if test.service:
                test.service.process.kill()
    print(f"{test.kills} kills, {test.kills_at_start} of them during the start: {len(test.accepted)} accepted jobs ended once, with the same bits; "
          f"nothing left behind; {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
