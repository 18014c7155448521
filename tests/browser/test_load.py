"""The studio under ten visitors for a minute, and under five hundred at one moment."""

from benchmarks import crowd
from benchmarks.studio_load import measure
from tests.browser.driver import serve
from tests.conftest import BUNDLES

PROMISED = 0.5
"""Seconds from a new seed to its picture, for 99 of 100."""


def test_ten_visitors_for_a_minute_each_see_the_pictures_of_their_own_seeds():
    found = measure(BUNDLES / "toy-vae", users=10, seconds=60, think=5)
    assert found["errors"] == []
    assert found["mixed_up"] == 0
    assert found["pictures"] >= 10 * 2
    assert found["move_p99"] < 3 * PROMISED
    before, after = found["memory"]
    assert after - before < 50


def test_first_pages_of_a_server_that_has_drawn_none_all_come():
    with serve(BUNDLES) as server:
        answers, _ = crowd.come_to(server.address, "toy-vae", 20, crowd.look)
    assert set(answers) <= {"page", "busy"}
    assert answers["page"] >= 8


def test_a_crowd_finds_a_page_each_or_is_told_to_come_again():
    found = crowd.measure(BUNDLES, "toy-vae", visitors=500, uploads=100)
    for answers, count in ((found["visits"][0], 500), (found["uploads"][0], 100)):
        assert set(answers) <= {"page", "busy"}
        assert sum(answers.values()) == count
    assert found["visits"][0]["page"] > 0
    assert [answers for answers, _ in found["calm"]] == [{"page": 1}] * 2
