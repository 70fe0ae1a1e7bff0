"""Tests of the page with a picture to start from, a mask, and ControlNets. Each test also gets `serve`, as in services.py."""

from pathlib import Path

import axe
from journey import LONG, open_advanced, start

DEMO = Path(__file__).parents[2] / "models/demo"  # its IdentityNet stands in for a ControlNet
# Of the picture that is shown; {} before there is one.
SETTINGS = "(document.querySelector('#picture').checkVisibility() ? fetch(document.querySelector('#download').href.replace(/.images.*/, '')).then((a) => a.json()).then((job) => job.settings) : Promise.resolve({}))"


def open_details(page, name):
    open_advanced(page)
    page.run(f"document.querySelector('#{name}-details').open = true")


def a_picture_starts_from_another(new_page, photos, shots, script, serve):
    page = new_page()
    page.open()
    open_details(page, "init")
    page.choose_file("#init-file", photos / "broken.png")
    page.wait_seen("#init-problem", "a broken picture is reported")
    page.drop_file("#init-well", photos / "one.png")
    page.wait_seen("#init-framed", "the picture is shown")
    page.wait_seen("#strength", "the strength can be set")
    assert page.value("#strength") == "0.8"
    assert not page.is_seen("#mask_blur")
    page.write("#strength", "0.5")
    page.screenshot(shots / "initial.png", whole=True)
    axe.check(page, script, "the page with a picture to start from")
    start(page, photos, 4)
    page.wait(f"({SETTINGS}).then((s) => s.strength === 0.5)", "the new picture starts from it", LONG)
    page.click("#init-remove")
    page.wait_unseen("#strength", "without the picture there is no strength")
    page.click("#make")
    page.wait(f"({SETTINGS}).then((s) => s.seed !== undefined && (s.strength ?? null) === null)", "the next picture starts from noise", LONG)
    page.close()


def a_part_is_repainted(new_page, photos, shots, script, serve):
    page = new_page()
    page.open()
    open_details(page, "init")
    page.choose_file("#init-file", photos / "one.png")
    page.wait_seen("#init-framed", "the picture is shown")
    page.choose_file("#mask-file", photos / "nobody.png")
    page.wait_seen("#mask-problem", "a mask of another size is reported")
    page.drag("#mask-canvas")
    page.wait_unseen("#mask-problem")
    page.wait_seen("#mask_blur", "what belongs to a mask can be set")
    page.run("document.querySelector('#inpaint_area').value = 'masked'; document.querySelector('#inpaint_area').dispatchEvent(new Event('change', {bubbles: true}))")
    page.screenshot(shots / "mask.png", whole=True)
    axe.check(page, script, "the page with a mask")
    start(page, photos, 4)
    page.wait(f"({SETTINGS}).then((s) => s.inpaint_area === 'masked' && s.mask_blur === 4)", "a part is repainted", LONG)
    page.click("#mask-clear")
    page.wait_unseen("#mask_blur")
    page.close()


def a_controlnet_is_added(new_page, photos, shots, script, serve):
    with serve("--control-dir", str(DEMO)) as url:
        page = new_page(at=url)
        page.open()
        page.wait("!document.querySelector('#controls-details').hidden", "the service has ControlNets")
        open_details(page, "controls")
        page.click("#control-add")
        page.wait_seen("#net-1-model", "a ControlNet can be chosen")
        assert page.value("#net-1-model") == "ControlNetModel"
        page.write("#net-1-strength", "0.6")
        page.run("document.querySelector('#net-1-prepare').value = 'canny'")
        page.choose_file("#photo-file", photos / "one.png")
        page.wait_seen(".face", "the face is found", LONG)
        page.write("#prompt", "portrait")
        page.write("#steps", "4")
        # Not at a place: the estimate may just move the button.
        page.run("document.querySelector('#make').click()")
        page.wait_seen("#controls-problem", "the missing picture is reported")
        page.choose_file("#net-1-file", photos / "two.png")
        page.wait_unseen("#controls-problem")
        page.wait("!document.querySelector('.net .thumb').hidden", "its picture is shown")
        page.screenshot(shots / "controlnet.png", whole=True)
        axe.check(page, script, "the page with a ControlNet")
        page.run("document.querySelector('#make').click()")
        page.wait_seen("#picture", "the picture is shown", LONG)
        assert page.run(SETTINGS)["controls"] == ["model=ControlNetModel,strength=0.6,start=0,end=1,prepare=canny"]
        page.run("document.querySelector('#result details').open = true")
        page.click("#again")
        page.wait("document.querySelector('.net .thumb').hidden", "the settings come back without the picture")
        assert page.run("document.querySelector('.net select').value") == "ControlNetModel"
        page.click(".net .link")
        page.wait("document.querySelectorAll('.net').length === 0", "it is removed")
        page.close()
    page = new_page()
    page.open()
    page.wait("document.querySelector('#model').textContent !== ''", "the page is connected")
    assert not page.is_seen("#controls-details"), "a service without ControlNets offers none"
    page.close()


TESTS = [a_picture_starts_from_another, a_part_is_repainted, a_controlnet_is_added]
