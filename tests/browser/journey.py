"""Tests of the page in a user's order, from a fresh start to a picture. Each function is one test; `run` calls them in order."""

import json

import axe

LONG = 300  # seconds for a picture of the demo model on a slow machine


def open_advanced(page):
    page.run("document.querySelector('#advanced').open = true")


def start(page, photos, steps, photo="one.png", prompt="portrait of a woman in a garden, watercolour"):
    open_advanced(page)
    page.choose_file("#photo-file", photos / photo)
    page.wait_seen(".face", "the face is found", LONG)
    page.write("#prompt", prompt)
    page.write("#steps", str(steps))
    page.wait_seen("#plan-line", "the estimate is shown", LONG)
    page.click("#make")


def empty_form_says_what_is_missing(new_page, photos, shots, script):
    page = new_page()
    page.open()
    page.wait_seen("#sample-1", "there are sample faces")
    page.wait("document.querySelectorAll('.style img').length === 8", "there are styles")
    axe.check(page, script, "the fresh page")
    page.screenshot(shots / "fresh.png")
    page.click("#make")
    page.wait_seen("#photo-problem")
    page.wait_seen("#prompt-problem")
    open_advanced(page)
    assert page.run("document.querySelector('#prompt').getAttribute('aria-describedby')") == "prompt-problem"
    page.write("#prompt", "portrait")
    page.wait_unseen("#prompt-problem")
    page.write("#steps", "200")
    page.click("#make")
    page.wait_seen("#steps-problem")
    page.write("#steps", "10")
    page.wait_seen("#steps-warning", "fewer than 20 steps warn")
    page.close()


def a_newcomer_needs_four_clicks_and_no_keys(new_page, photos, shots, script):
    """Open the page, pick a sample face, click a style, make, and look at the picture."""
    page = new_page(width=1280, height=720)
    page.open()
    page.wait_seen("#sample-1", "there are sample faces")
    for part in ("#photo-well", "#people", "#prompt", "#styles", "#qualities", "#make", "#frame", "#rail-heading"):
        box = page.run(f"(() => {{ const b = document.querySelector('{part}').getBoundingClientRect(); return [b.top, b.bottom]; }})()")
        assert box[0] >= 0 and box[1] <= 720, f"{part} is not on the first screen: {box}"
    page.screenshot(shots / "newcomer.png")
    page.click("#sample-1")
    page.wait("document.querySelector('#sample-1').ariaPressed === 'true' && document.querySelector('.face') !== null", "the face is found", LONG)
    page.click(".style[for=style-neon]")
    page.screenshot(shots / "newcomer_ready.png")
    page.click("#make")
    page.wait_seen("#preview", "the picture forms", LONG)
    page.wait_seen("#picture", "the picture is shown", LONG)
    page.wait("document.querySelector('#picture').complete", "the picture is loaded")
    page.wait_seen("#likeness", "its likeness is told")
    page.wait("document.querySelector('.tile img')?.complete && document.querySelector('.tile[data-state=done]') !== null", "it is in the rail")
    page.screenshot(shots / "newcomer_done.png")
    axe.check(page, script, "the newcomer's picture")
    page.click("#picture-open")
    page.wait_seen("#zoom-picture", "the picture is shown at full size")
    page.press("Escape")
    page.click("#compare")
    page.wait_seen("#before", "the photo is beside the picture")
    page.screenshot(shots / "compare.png")
    page.close()


def the_first_load_is_small(new_page, photos, shots, script):
    page = new_page()
    page.open()
    page.wait("document.querySelectorAll('.style img').length === 8 && [...document.images].every((each) => each.complete)", "the cards are loaded")
    took = page.run("performance.getEntriesByName('ready')[0].startTime")
    sizes = page.run("Object.fromEntries([...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((each) => [each.name, each.transferSize]))")
    total = sum(sizes.values())
    assert 30_000 < total < 150_000, f"the first load takes {total} bytes: {sizes}"
    print(f"        the first load: {total / 1000:.0f} KB in {len(sizes)} requests, ready after {took:.0f} ms")
    page.close()


def a_quality_sets_the_steps(new_page, photos, shots, script):
    page = new_page()
    page.open()
    page.wait("document.querySelector('#quality-draft .quality-time').textContent !== ''", "the estimate has the time of each quality", LONG)
    assert page.run("document.querySelector('#quality-good').ariaPressed") == "true"
    open_advanced(page)
    page.click("#quality-draft")
    page.wait("document.querySelector('#quality-draft').ariaPressed === 'true'", "the quality is chosen", LONG)
    assert page.run("document.querySelector('#steps').value") == "12"
    page.wait_unseen("#steps-warning")
    page.screenshot(shots / "quality.png", whole=True)
    axe.check(page, script, "the page with a quality")
    page.open()
    open_advanced(page)
    page.wait("document.querySelector('#quality-draft')?.ariaPressed === 'true'", "a reload keeps it", LONG)
    page.wait("document.querySelector('#steps').value === '12'", "with its steps", LONG)
    page.write("#steps", "25")
    page.wait("document.querySelector('#quality-draft').ariaPressed === 'false'", "other steps release it", LONG)
    page.click("#quality-best")
    page.wait("document.querySelector('#steps').value === '50'", "the best one takes 50", LONG)
    page.close()


def faces_are_found_in_photos(new_page, photos, shots, script):
    page = new_page()
    page.open()
    page.choose_file("#photo-file", photos / "broken.png")
    page.wait_seen("#photo-problem")
    page.drop_file("#photo-well", photos / "nobody.png")
    page.wait("document.querySelector('#photo-problem').dataset.word === 'photo.no_face'", "the missing face is reported", LONG)
    page.paste_file(photos / "two.png")
    page.wait("document.querySelectorAll('.face').length === 2", "two faces are found", LONG)
    page.run("document.querySelector('.face input').focus()")
    page.press("ArrowRight")
    page.wait("document.querySelectorAll('.face input')[1].checked", "the keyboard chooses the second face")
    page.screenshot(shots / "faces.png", whole=True)
    axe.check(page, script, "the page with faces")
    page.close()


def more_photos_of_a_person_are_added(new_page, photos, shots, script):
    page = new_page()
    page.open()
    page.choose_file("#photo-file", photos / "one.png")
    page.wait_seen(".face", "the face is found", LONG)
    page.choose_file("#more-file", photos / "nobody.png")
    page.wait("document.querySelector('#photo-problem').dataset.word === 'photo.no_face'", "a photo without a face is refused", LONG)
    page.wait("document.querySelectorAll('#more-list li').length === 0", "and dropped")
    page.choose_file("#more-file", photos / "one.png")
    page.wait("document.querySelectorAll('#more-list li').length === 1", "a second photo is added", LONG)
    page.screenshot(shots / "more_photos.png", whole=True)
    axe.check(page, script, "the page with two photos")
    open_advanced(page)
    page.write("#prompt", "portrait")
    page.write("#steps", "4")
    page.wait_seen("#plan-line", "the estimate is shown", LONG)
    page.click("#make")
    page.wait_seen("#picture", "the picture of both photos is shown", LONG)
    page.click("#more-list .chip-delete")
    page.wait("document.querySelectorAll('#more-list li').length === 0", "the second photo is removed")
    page.close()


def first_run_is_cancelled(new_page, photos, shots, script):
    page = new_page()
    page.open()
    start(page, photos, 100)
    page.wait_seen("#progress", "progress is shown", LONG)
    page.wait_seen("#preview", "a preview is shown", LONG)
    assert page.run("document.querySelector('#progress-bar').value") > 0
    page.screenshot(shots / "progress.png")
    axe.check(page, script, "the page with a running job")
    page.reload()
    page.wait_seen("#progress", "the running job is shown again after a reload", LONG)
    page.wait_seen("#preview", "its preview is shown again", LONG)
    page.click("#cancel")
    page.wait("document.querySelector('#frame').dataset.state === 'cancelled'", "the job is cancelled", 10)
    page.wait_seen("#ended")
    page.wait("document.querySelector('#ended-ways button') !== null", "it can be tried again")
    page.screenshot(shots / "cancelled.png")
    page.close()


def second_run_makes_a_picture(new_page, photos, shots, script):
    page = new_page()
    page.open()
    start(page, photos, 4)
    page.wait_seen("#picture", "the picture is shown", LONG)
    page.run("document.querySelector('#result details').open = true")
    size = page.wait("(() => { const p = document.querySelector('#picture'); return p.complete && p.naturalWidth && [p.naturalWidth, p.naturalHeight]; })()", "the picture is loaded")
    assert f"{size[0]} × {size[1]}" in page.text("#facts"), (size, page.text("#facts"))
    kind = page.run("fetch(document.querySelector('#download').href).then((a) => a.headers.get('content-type'))")
    assert kind == "image/png", kind
    page.screenshot(shots / "done.png")
    axe.check(page, script, "the page with a picture")
    page.run("document.querySelector('#result details').open = true")
    page.click("#again")
    page.wait("document.querySelector('#seed').value !== ''", "the settings are filled in again")
    assert page.value("#seed").isdigit() and not page.run("document.querySelector('#randomise').checked")
    page.wait("document.querySelectorAll('.tile img').length >= 1", "the gallery shows the picture")
    tiles = page.run("document.querySelectorAll('.tile').length")
    page.click(".tile-delete")
    page.click("#sure-yes")
    page.wait(f"document.querySelectorAll('.tile').length === {tiles - 1}", "the deleted picture is gone")
    page.close()


def errors_are_shown_at_their_fields(new_page, photos, shots, script):
    page = new_page()
    page.open()
    page.choose_file("#photo-file", photos / "one.png")
    page.wait_seen(".face", "the face is found", LONG)
    page.click("#save-open")
    page.write("#save-name", "Ana")
    page.press("Enter")
    page.wait_seen(".chip", "the face is saved", LONG)
    page.click(".chip")
    page.wait_seen("#photo-saved")
    page.write("#prompt", "portrait")
    with page.refusals():
        page.run("fetch('api/identities').then((a) => a.json()).then(({identities}) => Promise.all(identities.map(({id}) => fetch(`api/identities/${id}`, {method: 'DELETE'}))))")
        page.click("#make")
        page.wait("[...document.querySelectorAll('.problem')].some((line) => line.checkVisibility() && line.textContent)", "the missing face is reported")
        page.wait_seen("#photo-problem + .ways [data-way=photo]", "another photo is offered")
        page.screenshot(shots / "error.png")
        page.offline(True)
        page.wait_seen("#lost", "the lost connection is reported")
        page.screenshot(shots / "lost.png")
        page.offline(False)
        page.wait_unseen("#lost", "the page reconnects by itself")
    page.close()


def spanish_and_dark_mode(new_page, photos, shots, script):
    page = new_page(dark=True, language="es-ES")
    page.open()
    page.wait("document.documentElement.lang === 'es'", "the page uses the browser's language")
    spanish = page.run("fetch('web/es.json').then((a) => a.json())")
    for key in ("photo.drop", "prompt.heading", "plan.make"):
        assert page.text(f'[data-word="{key}"]') == spanish[key], key
    page.click("#memory-open")
    page.wait("document.querySelector('#memory-messages').textContent.includes('memoria')", "the memory's message is Spanish")
    page.screenshot(shots / "memory_spanish.png")
    axe.check(page, script, "the memory in Spanish")
    page.press("Escape")
    page.wait_unseen("#memory-dialog")
    page.wait("document.querySelectorAll('.tile').length > 0", "the gallery is shown")
    page.screenshot(shots / "spanish_dark.png")
    axe.check(page, script, "the dark page in Spanish")
    page.click("#language")
    page.wait("document.documentElement.lang === 'en'", "the switch changes the language")
    page.reload()
    page.wait("document.documentElement.lang === 'en'", "the choice is remembered")
    page.close()


def the_page_fits_a_phone(new_page, photos, shots, script):
    for dark in (False, True):
        page = new_page(width=390, height=844, touch=True, dark=dark)
        page.open()
        page.choose_file("#photo-file", photos / "one.png")
        page.wait_seen(".face", "the face is found", LONG)
        wide = page.run("document.documentElement.scrollWidth")
        assert wide <= 390, f"the page is {wide} pixels wide"
        small = page.run("[...document.querySelectorAll('button, summary')].filter((e) => e.checkVisibility()).map((e) => [e.id || e.className || e.textContent, e.getBoundingClientRect().height]).filter(([, h]) => h < 24)")
        assert not small, f"too small for a finger: {json.dumps(small)}"
        page.screenshot(shots / f"phone{'_dark' if dark else ''}.png", whole=True)
        axe.check(page, script, "the page on a phone")
        page.close()


TESTS = [empty_form_says_what_is_missing, a_newcomer_needs_four_clicks_and_no_keys, the_first_load_is_small, a_quality_sets_the_steps, faces_are_found_in_photos, more_photos_of_a_person_are_added,
         first_run_is_cancelled, second_run_makes_a_picture,
         errors_are_shown_at_their_fields, spanish_and_dark_mode, the_page_fits_a_phone]
