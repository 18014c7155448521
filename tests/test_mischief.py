"""Messages no page would send, pictures that are none, settings that are not allowed: in little."""

import pytest
from streamlit.proto.Common_pb2 import StringArray
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks import bad_settings, mischief
from benchmarks.visitors import Visitor, run_visits, session
from tests.browser.driver import serve
from tests.conftest import BUNDLES

pytestmark = pytest.mark.slow


def test_no_query_and_no_widget_state_breaks_a_page():
    found = mischief.ask(BUNDLES, 300, seed=1)
    assert found["exceptions"] == []
    assert found["longest"] < 3 * mischief.SECONDS
    assert found["growth"] < mischief.MEGABYTES


def test_a_choice_of_none_is_that_of_the_default():
    async def choose() -> list[Element]:
        async with session(server.address) as socket:
            visitor, none = Visitor(socket), StringArray()
            elements = await visitor.rerun("", "morph")
            groups = [each.button_group.id for each in elements if each.HasField("button_group")]
            assert len(groups) == 3  # language, path and prior
            states = [WidgetState(id=each, string_array_value=none) for each in groups]
            return await visitor.rerun("", "morph", states)

    with serve(BUNDLES) as server:
        elements = run_visits(choose())
    assert not any(each.HasField("exception") for each in elements)
    assert sum(each.HasField("vega_lite_chart") for each in elements) >= 2


def test_no_picture_breaks_its_reader():
    found = mischief.bring_pictures(500, seed=1)
    assert found["broken"] == []
    assert found["read"] > 50
    assert found["refused"] > 100
    assert found["longest"] < 3 * mischief.SECONDS
    assert found["peak"] < mischief.MEGABYTES


def test_a_setting_that_is_not_allowed_is_named_at_once():
    found = bad_settings.measure(300, seed=1)
    assert found["broken"] == []
    assert found["longest"] < 3 * bad_settings.SECONDS
