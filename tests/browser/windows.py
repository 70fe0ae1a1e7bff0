"""Tests of how the page looks: windows of every size, long words, low memory. Like services.py."""

import axe
from journey import LONG, open_advanced

# Width, height, dark, language, touch. The last one is 1280 x 720 at 200 %.
WINDOWS = [(1280, 720, False, "en-GB", False), (1024, 600, True, "es-ES", False), (768, 1024, False, "en-GB", True),
           (390, 844, True, "es-ES", True), (1920, 1080, True, "en-GB", False), (640, 360, False, "es-ES", False)]
# A text that is cut off or runs out of its button, and what else is wider than the window.
TOO_WIDE = """[...document.querySelectorAll('button, label, h1, h2, h3, p, summary')].filter((each) => each.checkVisibility() &&
    !each.closest('.away, .styles, .people, .strip, .tiles, .tile, .skip') && !each.matches('.caption, .away, .skip') &&
    (each.scrollWidth > each.clientWidth + 2 || each.getBoundingClientRect().right > innerWidth + 1) && getComputedStyle(each).display !== 'inline')
    .map((each) => `${each.id || each.className}: ${each.textContent.trim().slice(0, 40)}`)"""


def the_page_fits_every_window(new_page, photos, shots, script, serve):
    for width, height, dark, language, touch in WINDOWS:
        page = new_page(width=width, height=height, dark=dark, language=language, touch=touch)
        page.open()
        page.wait("document.querySelector('#quality-best .quality-time').textContent !== ''", "the page has its estimate", LONG)
        name = f"{width} x {height}"
        bottom = page.run("document.querySelector('#make').getBoundingClientRect().bottom")
        assert bottom <= height, f"the button is not on the first screen of {name}: it ends at {bottom}"
        assert page.run("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
        assert not (wide := page.run(TOO_WIDE)), f"too wide in {name}: {wide}"
        page.screenshot(shots / f"window_{width}.png")
        open_advanced(page)
        page.run("document.querySelectorAll('#advanced details').forEach((each) => { each.open = true; })")
        assert not (wide := page.run(TOO_WIDE)), f"too wide in the drawer in {name}: {wide}"
        page.screenshot(shots / f"window_{width}_drawer.png", whole=True)
        axe.check(page, script, f"the page in {name}")
        # German and Finnish have longer words.
        page.run("document.querySelectorAll('[data-word]').forEach((each) => { if (!each.children.length) each.textContent = each.textContent.replace(/([a-záéíóúñ]{5})/gi, '$1enung'); })")
        assert page.run("document.documentElement.scrollWidth") <= width, f"long words make {name} scroll sideways"
        page.screenshot(shots / f"window_{width}_long.png")
        page.close()


def low_memory_is_told(new_page, photos, shots, script, serve):
    with serve("--memory", "300MiB") as url:
        page = new_page(at=url, width=1280, height=720)
        page.open()
        page.wait("document.querySelector('#memory-pill').textContent.includes('low-memory mode')", "the pill tells the mode")
        page.click("#memory-open")
        page.wait("document.querySelectorAll('#figures dd').length === 6", "the figures are shown")
        assert not page.is_seen("#memory-low")
        page.wait("document.querySelector('#plan-summary').textContent !== ''", "the plan is summed up", LONG)
        assert not (flags := page.run("[...document.documentElement.textContent.matchAll(/--[a-z][\\w-]*/g)].map(([flag]) => flag)")), f"the page names flags: {flags}"
        page.run("""(() => {
            const real = fetch;
            window.fetch = async (...asked) => {
                const answer = await real(...asked);
                if (!String(asked[0]).endsWith('api/memory')) return answer;
                return new Response(JSON.stringify({...await answer.json(), machine_available_bytes: 50 * 2 ** 20}));
            };
        })()""")
        page.wait_seen("#memory-low", "that the machine's memory is low")
        assert page.run("document.querySelector('#memory-open').dataset.mode") == "low"
        page.run("document.querySelector('#troubles').open = true")
        page.screenshot(shots / "memory_low.png")
        axe.check(page, script, "low memory")
        page.close()


TESTS = [the_page_fits_every_window, low_memory_is_told]
