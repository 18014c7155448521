"""``python -m tests.browser.screenshots``: every page of the studio as pictures in ``docs/``.

Each page is taken light, dark, as wide as a phone, and in Korean, on the bundles in ``artifacts/``.
The Korean ones need a font that has it, such as that of Debian's ``fonts-nanum``.
"""

import io
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser

from gensuite.inference.images import png
from gensuite.storage import write_file
from tests.browser.driver import PATIENCE, browser, serve, settle
from tests.studio import APP

FOLDER = APP.parent / "docs" / "images" / "studio"

PAGES: dict[str, dict[str, str]] = {
    "sample": {"bundle": "gan-mnist", "image": "12"},
    "latent_map": {"bundle": "vae-mnist"},
    "morph": {"bundle": "vae-mnist"},
    "reconstruct": {"bundle": "vae-mnist"},
    "compare": {"bundle": "vae-mnist"},
    "training": {"bundle": "gan-mnist"},
    "model_card": {"bundle": "vae-fashion_mnist"},
}
"""Page → what its URL says."""

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS: dict[str, dict[str, object]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "korean": {"viewport": DESKTOP, "color_scheme": "light"},
}
"""Name → settings of the browser."""


def take(chromium: Browser, address: str, page: str, look: str) -> bytes:
    """One page as a PNG of few colours."""
    context = chromium.new_context(**LOOKS[look], base_url=address)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    query = PAGES[page] | ({"lang": "ko"} if look == "korean" else {})
    tab.goto(f"/{'' if page == 'sample' else page}?{urlencode(query)}")
    settle(tab)
    tab.wait_for_timeout(1000)  # Streamlit fades what is new in
    picture = Image.open(io.BytesIO(tab.screenshot(full_page=True)))
    context.close()
    return png(picture.convert("RGB").quantize(128))


def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with serve(APP.parent / "artifacts") as server, browser() as chromium:
        for page in PAGES:
            for look in LOOKS:
                path = FOLDER / f"{page}-{look}.png"
                write_file(path, take(chromium, server.address, page, look))
                print(path.relative_to(Path.cwd()), flush=True)


if __name__ == "__main__":
    main()
