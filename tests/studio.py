"""The studio in process: what the tests of all its pages share."""

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

from gensuite.inference import bundle as bundles
from tests.conftest import parts_of

APP = Path(__file__).parents[1] / "streamlit_app.py"


def open_page(page: str = "sample", /, **query: str | list[str]) -> AppTest:
    """Visit a page of ``studio/views`` with a query string."""
    visit = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in query.items():
        visit.query_params[name] = value
    if page != "sample":
        visit.switch_page(f"studio/views/{page}.py")
    return visit.run()


def text(visit: AppTest) -> str:
    """All that a page says in Markdown, captions, warnings and errors, without its escapes."""
    elements = [*visit.title, *visit.markdown, *visit.caption, *visit.warning, *visit.error]
    elements += [*visit.info, *visit.success]
    return "\n".join(element.value.replace("\\", "") for element in elements)


def alternatives(visit: AppTest) -> list[str]:
    """The texts that stand for a page's pictures where they cannot be seen."""
    assert not visit.exception
    return [image.proto.imgs[0].alt for image in visit.image]


def charts(visit: AppTest) -> list[bytes]:
    """Everything in each of a page's charts, data and pictures included."""
    assert not visit.exception
    return [element.proto.SerializeToString() for element in visit.get("vega_lite_chart")]


def picture(visit: AppTest) -> str:
    """The gallery of the page Sample, as the PNG's data URL."""
    (chart,) = charts(visit)
    (url,) = re.findall(rb"data:image/png;base64,[A-Za-z0-9+/=]+", chart)
    return str(url.decode())


def said(visit: AppTest) -> str:
    """The text that stands for the gallery where it cannot be seen."""
    return str(visit.get("vega_lite_chart")[0].proto.alt)


def export_again(source: Path, to: Path, *, dataset: str = "digits", **models: bytes) -> None:
    """Write a valid bundle like ``source`` with another data set's name or other models."""
    facts, files = parts_of(bundles.read(source))
    facts["dataset"] = facts["dataset"] | {"name": dataset}
    files |= {f"{name}.onnx": content for name, content in models.items()}
    bundles.write(to, facts, files, replace=True)
