"""Tests of the page with several people in one picture. Each test also gets `serve`, as in services.py."""

import axe
from journey import LONG, open_advanced

SETTINGS = "import('./web/settings.js').then((all) => all.readSettings({quiet: true}))"
JOB = "fetch(document.querySelector('#download').href.replace(/.images.*/, '')).then((a) => a.json())"


def begin(page, sample=1):
    page.open()
    page.wait_seen(f"#sample-{sample}", "there are sample faces")
    page.click(f"#sample-{sample}")
    page.wait("document.querySelector('.face') !== null", "the face is found", LONG)
    page.run("document.querySelector('#style-watercolor').click()")
    page.click("#quality-draft")


def make(page):
    # Not at a place: the estimate may just move the button.
    page.run("document.querySelector('#make').click()")
    page.wait_seen("#picture", "the picture is shown", LONG)
    return page.run(JOB)["settings"]


def two_people_are_put_side_by_side(new_page, photos, shots, script, serve):
    page = new_page(width=1280, height=800)
    begin(page)
    alone = page.run("document.querySelector('#shape-size-photo').textContent")
    page.click("#person-add")
    page.wait_seen("#arrange", "there are places for two")
    page.run("document.querySelector('#make').click()")
    page.wait("document.querySelector('#person-problem').dataset.word === 'people.missing'", "the missing photo is reported")
    page.choose_file("#person-2-file", photos / "nobody.png")
    page.wait("document.querySelector('#person-problem').dataset.word === 'people.no_face'", "the missing face is reported", LONG)
    page.click("#sample-12")
    page.wait("!document.querySelector('.person-row:last-child .thumb').hidden", "a sample face becomes the second person", LONG)
    page.wait_unseen("#person-problem")
    assert page.run("document.querySelector('#sample-1').ariaPressed") == "true", "the first person stays"
    page.wait("document.querySelector('#quality-draft .quality-time').textContent !== ''", "there is an estimate", LONG)
    first, second = page.run(SETTINGS)["people"]
    assert first["photos"] == second["photos"] == 1
    right = first["box"][2]
    assert first["box"][0] == 0 and second["box"][0] == right and second["box"][2] == 2 * right, (first, second)
    for person in (first, second):
        assert all(person["box"][0] < x < person["box"][2] for x, _ in person["keypoints"]), person
    page.drag("#arrange .place:first-of-type")
    page.wait(f"({SETTINGS}).then((s) => s.people[0].box[0] > 0)", "the mouse moves a box")
    page.run("document.querySelector('#arrange .place:last-of-type').focus()")
    page.press("ArrowLeft", "ArrowLeft", "Shift+ArrowUp")
    page.wait(f"({SETTINGS}).then((s) => s.people[1].box[0] < {right} && s.people[1].box[3] < s.height)", "the keys move and resize one")
    assert "%" in page.run("document.querySelector('#arrange .place:last-of-type').ariaLabel")
    assert "blond" in page.value("#person-2-prompt"), "a sample face brings its words"
    page.screenshot(shots / "people.png")
    page.screenshot(shots / "people_whole.png", whole=True)
    axe.check(page, script, "two people")
    settings = make(page)
    assert len(settings["people"]) == 2 and "blond" in settings["people"][1], settings["people"]
    page.wait("document.querySelector('#warnings li') !== null", "that the boxes overlap is told")
    page.screenshot(shots / "people_done.png")
    page.click(".person-row:last-child .chip-delete")
    page.wait_unseen("#several", "one person is left")
    assert page.run("document.querySelector('#shape-size-photo').textContent") == alone
    page.close()


def people_take_the_places_in_a_pose(new_page, photos, shots, script, serve):
    page = new_page()
    begin(page)
    page.click("#person-add")
    page.choose_file("#person-2-file", photos / "two.png")
    page.wait("document.querySelectorAll('.person-face').length === 2", "one of two faces is chosen", LONG)
    page.click(".person-face:last-child")
    page.wait("document.querySelector('.person-face:last-child').ariaPressed === 'true'", "the other one is chosen")
    open_advanced(page)
    assert page.run("document.querySelector('#region_mask').checked"), "the surroundings follow the text"
    page.click("#region_mask")
    page.run("document.querySelector('#pose-details').open = true")
    page.choose_file("#pose-file", photos / "one.png")
    page.wait("document.querySelector('#arrange-hint').dataset.word === 'people.pose_few'", "one face is too few for two people", LONG)
    assert page.is_seen("#arrange")
    page.choose_file("#pose-file", photos / "two.png")
    page.wait("document.querySelector('#arrange-hint').dataset.word === 'people.posed'", "the pose has places for both", LONG)
    assert not page.is_seen("#arrange")
    settings = make(page)
    assert settings["people"] == ['{"photos":1}'] * 2 and settings["region_mask"] is False, settings
    page.close()


TESTS = [two_people_are_put_side_by_side, people_take_the_places_in_a_pose]
