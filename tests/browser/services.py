"""Tests of the page with services started with other flags, and with several pictures. Like journey.py, but each test
also gets `serve(*flags)`, a context manager that yields the URL of a new service."""

import json
import tempfile
from pathlib import Path

import axe
from journey import LONG, open_advanced, start


def a_refused_size_offers_one_that_fits(new_page, photos, shots, script, serve):
    with serve("--memory", "160MiB") as url:
        page = new_page(at=url)
        page.open()
        page.choose_file("#photo-file", photos / "one.png")
        page.wait_seen(".face", "the face is found", LONG)
        open_advanced(page)
        page.write("#prompt", "photo of a woman in a garden")
        page.run("document.querySelector('#shape-custom').click()")
        page.write("#width", "4096")
        page.write("#height", "4096")
        page.wait_seen("#refusal", "the refusal is shown", LONG)
        assert "160" in page.text("#refusal-text"), page.text("#refusal-text")
        page.click("#make")
        page.wait("document.activeElement.id === 'smaller'", "the button for a smaller size has the focus")
        axe.check(page, script, "the refusal")
        page.screenshot(shots / "refusal.png")
        page.click("#smaller")
        page.wait_unseen("#refusal", "the smaller size fits")
        page.wait_seen("#plan-line", "its estimate is shown", LONG)
        size = page.run("[Number(document.querySelector('#width').value), Number(document.querySelector('#height').value)]")
        assert size[0] == size[1] and 64 <= size[0] < 4096, size
        page.write("#width", "4096")
        page.wait_seen("#refusal", "the refusal is shown again", LONG)
        page.run("Promise.all([import('./web/problems.js'), import('./web/api.js')]).then(([p, a]) => p.showWhereItBelongs(new a.Problem(500, 'memory', '', null), 'form'))")
        page.click("#form-problem + .ways [data-way=smaller]")
        page.wait_unseen("#form-problem", "a problem's way out takes the smaller size")
        page.wait_unseen("#refusal", "which fits")
        page.close()


def a_key_is_asked_for_once(new_page, photos, shots, script, serve):
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        key.write_text("open-sesame-please\n")
        with serve("--api-key-file", str(key)) as url:
            page = new_page(at=url)
            with page.refusals():
                page.open()
                page.wait_seen("#key-dialog", "the key is asked for")
                axe.check(page, script, "the key's dialog")
                page.write("#key", "guessed")
                page.press("Enter")
                page.wait_seen("#key-problem", "the wrong key is reported")
                page.screenshot(shots / "key.png")
                page.write("#key", "open-sesame-please")
                page.press("Enter")
                page.wait_unseen("#key-dialog", "the right key is accepted")
            start(page, photos, 3)
            page.wait_seen("#picture", "the events lead to the picture", LONG)
            page.reload()
            page.wait("document.querySelectorAll('.tile img').length === 1", "the key is kept for the session")
            with page.refusals():
                page.click("#log-out")
                page.wait_seen("#key-dialog", "logged out, the key is asked for again")
                assert page.run("document.querySelectorAll('.tile').length") == 0
            page.close()


def several_pictures_with_another_pose(new_page, photos, shots, script, serve):
    page = new_page()
    page.open()
    open_advanced(page)
    page.run("document.querySelector('#pose-details').open = true")
    page.choose_file("#pose-file", photos / "nobody.png")
    page.wait_seen("#pose-problem", "a pose without a face is reported", LONG)
    page.choose_file("#pose-file", photos / "two.png")
    page.wait_seen("#pose-framed", "the pose is shown", LONG)
    page.wait_unseen("#pose-problem")
    page.write("#count", "3")
    start(page, photos, 30)
    page.wait("document.querySelectorAll('#cells img').length >= 1 && document.querySelector('#frame').dataset.state === 'running' && "
              "document.querySelector('#cells').checkVisibility() && document.querySelector('.tile[data-state=running] img') !== null",
              "the first picture is shown, on the stage and in the rail, while the job runs", LONG)
    page.wait("document.querySelector('#cells #preview')?.checkVisibility()", "the next one forms beside it", LONG)
    page.screenshot(shots / "batch.png")
    axe.check(page, script, "a batch at work")
    page.wait("document.querySelectorAll('#cells img').length === 3", "three pictures are shown", LONG)
    page.wait("document.querySelector('#frame').dataset.state === 'done'", "the job is done", LONG)
    page.screenshot(shots / "batch_done.png")
    page.click("#cells li:last-child button")
    page.wait_seen("#picture", "one is chosen")
    shown = "document.querySelector('#picture').getAttribute('src')"
    last = page.run(shown)
    assert last.endswith("/2"), last
    page.click("#strip li:nth-child(2) button")
    page.wait(f"{shown} !== {last!r}", "another picture is shown")
    page.screenshot(shots / "several.png")
    axe.check(page, script, "several pictures")
    page.click("#picture-open")
    page.wait_seen("#zoom-picture", "it is shown at full size")
    page.press("ArrowRight")
    page.wait("document.querySelector('#zoom-picture').getAttribute('src').endsWith('/1')", "the arrows go to the next one")
    page.screenshot(shots / "zoom.png")
    axe.check(page, script, "the zoom")
    page.press("Escape")
    page.click("#strip .all")
    page.wait_seen("#cells", "all are shown again")
    page.close()


def the_camera_takes_the_photo(new_page, photos, shots, script, serve):
    page = new_page()
    page.open()
    page.click("#photo-camera")
    page.wait("document.querySelector('#camera-video').videoWidth > 0", "the camera's picture is shown", 30)
    page.wait("!document.querySelector('#camera-shoot').disabled", "the shot can be taken")
    axe.check(page, script, "the camera's dialog")
    page.click("#camera-shoot")
    page.wait_unseen("#camera-dialog")
    page.wait_seen("#photo-stopped", "the demo model is not given a photo")
    page.screenshot(shots / "stopped.png")
    axe.check(page, script, "a photo for the demo model")
    page.click("#stopped-anyway")
    page.wait_seen("#photo-framed", "the shot is shown")
    # The browser's fake camera shows a pattern.
    page.wait("document.querySelector('#photo-problem').dataset.word === 'photo.no_face'", "the missing face is reported", LONG)
    page.close()


def the_gallery_follows_every_job(new_page, photos, shots, script, serve):
    with serve() as url:
        page = new_page(at=url)
        page.open()
        start(page, photos, 100)
        page.wait_seen("#progress", "the first job is running", LONG)
        first = page.run("document.querySelector('.tile')?.dataset.job") or page.wait("document.querySelector('.tile')?.dataset.job", "its tile is shown")
        page.write("#steps", "4")
        page.click("#make")
        assert page.run("document.querySelector('#frame').dataset.state") == "running", "the picture at work stays on the stage"
        tiles = "document.querySelectorAll('.tile[data-state=%s]').length"
        page.wait(tiles % "queued" + " === 1", "the second job waits")
        page.click(f'.tile[data-job="{first}"] .tile-look')
        page.wait("document.querySelector('#frame').dataset.state === 'running'", "the first job is shown")
        page.click("#cancel")
        page.wait(tiles % "cancelled" + " === 1", "the first job is cancelled", 20)
        page.wait(tiles % "done" + " === 1", "the second job's tile shows its end without a reload", LONG)
        page.close()


def errors_are_spanish_on_a_spanish_page(new_page, photos, shots, script, serve):
    page = new_page(language="es-ES")
    page.open()
    page.wait("document.documentElement.lang === 'es'", "the page is Spanish")
    spanish = page.run("fetch('web/es.json').then((a) => a.json())")
    texts = page.run("import('./web/words.js').then((w) => [w.word('plan.line', {seconds: 1, peak: 0, budget: 0, mode: 'normal'}), w.word('stage.left', {seconds: 1})])")
    assert texts[0] == "Alrededor de 1 segundo" and texts[1] == "Tiempo restante: 1 segundo", texts
    # The page shows its own text for every kind of failure, not the service's English message.
    for code, field, key in (("missing", "photo", "problem.missing.photo"), ("memory", None, "problem.memory"), ("device", None, "problem.device"),
                             ("argument", "steps", "problem.argument"), ("corrupt", "pose", "problem.corrupt.pose"), ("odd", None, "problem.internal")):
        text = page.run("Promise.all([import('./web/problems.js'), import('./web/api.js')]).then(([p, a]) => { const line = document.createElement('p'); "
                        f"p.tell(line, new a.Problem(500, {json.dumps(code)}, 'cannot fit: try --size', {json.dumps(field)})); return line.textContent; }})")
        assert text == spanish[key], (code, text)
    page.choose_file("#photo-file", photos / "one.png")
    page.wait_seen(".face", "the face is found", LONG)
    open_advanced(page)
    page.wait("document.querySelector('#plan-summary').textContent.startsWith('Modo: ')", "the whole plan is Spanish", LONG)
    page.click("#language")
    page.wait("document.querySelector('#plan-summary').textContent.startsWith('Mode: ')", "and English after the switch", LONG)
    page.close()


TESTS = [a_refused_size_offers_one_that_fits, a_key_is_asked_for_once, several_pictures_with_another_pose,
         the_gallery_follows_every_job, errors_are_spanish_on_a_spanish_page, the_camera_takes_the_photo]
