"""How long the inspector waits: from a key press to the next part's photo painted, in a real Chromium over loopback.

Run with `python bench/room.py [--parts 60] [--look 700]`. It starts a web process on a folder of its own, fills a line
with rendered phones of 1920 x 1080 pixels, and judges them by key. The time runs from the key event's own time stamp to
the moment at which the browser says that the next photo was on the screen (Element Timing), so decoding counts if it
has not been done ahead. Beside it, in the same run: the same photos, decoded before, swapped in an empty page.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SIZE = (1920, 1080)
RENDERED = 12  # distinct phones; every photo differs in a mark

# Every photo says when it is painted, every key press when it began.
LISTEN = """
window.pressed = []; window.painted = [];
addEventListener("keydown", (event) => pressed.push(event.timeStamp), { capture: true });
const Plain = window.Image;
window.Image = function (...sizes) { const image = new Plain(...sizes); image.setAttribute("elementtiming", "photo"); return image; };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) painted.push({ url: entry.url, at: entry.renderTime, width: entry.naturalWidth });
}).observe({ type: "element", buffered: true });
"""
WAIT = """(url) => new Promise((resolve) => {
  const look = () => { const found = painted.findLast((one) => one.url.endsWith(url)); found ? resolve(found.at) : setTimeout(look, 5); };
  look();
})"""


def fill(parts: int) -> None:
    """Run in a process of its own, with DATA_DIR set: a line of parts with one photo each."""
    import io

    import django

    django.setup()
    from django.core.management import call_command
    from PIL import Image, ImageDraw

    from inspection import actions
    from inspection.models import Line
    from shadow.vision.synthetic import render

    call_command("migrate", verbosity=0)
    call_command("seed_demo", verbosity=0)
    line = Line.objects.get(slug="line-b")
    phones = [render(seed, size=SIZE) for seed in range(RENDERED)]
    for number in range(parts):
        image = Image.fromarray(phones[number % RENDERED].image)
        ImageDraw.Draw(image).text((20, 20), f"part {number}", fill=(200, 200, 200))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=92)
        photo = actions.NewPhoto(buffer.getvalue())
        actions.receive_inspection(line=line, serial=f"R{number:05}", photos_sent=[photo], by=None)


SWAP = """async (urls) => {
  const images = urls.map((url) => Object.assign(new Image(), { src: url, decoding: "sync", width: innerWidth }));
  await Promise.all(images.map((image) => image.decode()));
  let next = 0;
  document.body.replaceChildren(images[next++]);
  addEventListener("keydown", () => document.body.replaceChildren(images[next++]));
}"""


def waits_of(page, look: int, presses: int, photo) -> list[float]:
    """Press a key every `look` ms; for each the milliseconds to the next photo on the screen."""
    waits = []
    for _ in range(presses):
        page.wait_for_timeout(look)
        page.evaluate("pressed.length = 0")
        page.keyboard.press("j")
        waits.append(page.evaluate(WAIT, photo().get_attribute("src")) - page.evaluate("pressed[0]"))
    return waits


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measure(port: int, look: int, parts: int, browser_path: str) -> dict[str, list[float]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1920, "height": 1080}, base_url=f"http://127.0.0.1:{port}")
        page.goto("/login/")
        page.get_by_label("User name").fill("ivy")
        page.get_by_label("Password").fill("shadowline")
        page.get_by_role("button", name="Sign in").click()
        page.add_init_script(LISTEN)
        page.goto("/inspect/line-b/")
        page.locator("[data-room-page][data-ready]").wait_for()
        room = waits_of(page, look, parts, lambda: page.locator("[data-view]:not([hidden]) img[data-full]"))
        page.goto("/parts/")
        page.evaluate(SWAP, [f"/photos/{number}/" for number in range(2, 14)])
        bare = waits_of(page, look, 11, lambda: page.locator("body > img"))
        browser.close()
    return {"the room": room[3:], "an empty page": bare[1:]}  # the first ones warm


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=60)
    parser.add_argument("--look", type=int, default=700, help="milliseconds that each part is looked at")
    chosen = parser.parse_args()
    browser = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if browser is None:
        print("No Chromium is installed: the room was not measured.")
        return
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"DATA_DIR": folder, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}
        env.pop("DATABASE_URL", None)
        code = f"from bench.room import fill; fill({chosen.parts + 8})"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)
        port = free_port()
        web = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(4)
            rounds = measure(port, chosen.look, chosen.parts, browser)
        finally:
            web.terminate()
            web.wait()
    print(f"key press to next photo painted, {SIZE[0]} x {SIZE[1]}, {chosen.look} ms of looking at each part")
    for name, waits in rounds.items():
        print(
            f"  {name:<14} n {len(waits)}  p50 {statistics.median(waits):5.1f} ms  p95 {percentile(waits, 0.95):5.1f} ms  max {max(waits):5.1f} ms"
        )


if __name__ == "__main__":
    main()
