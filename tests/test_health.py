"""Latent health: each limit is caught by its own number, and N(0, I) by none."""

import json
import subprocess

import numpy as np
import pytest

import gensuite
from gensuite import info
from gensuite.arrays import pack, unpack
from gensuite.errors import BundleError, InputError
from gensuite.inference import bundle as bundles
from gensuite.inference import latent_statistics as statistics
from gensuite.inference.health import measure
from gensuite.inference.holes import Cloud, Whitening, hole_codes, nearest
from gensuite.inference.latents import draw_codes, standard_normal
from gensuite.inference.manifest import LIMITS
from tests.conftest import BUNDLES, parts_of, python
from tests.test_walls import REFUSE

SIDE = 4


def normal(count, size, seed=0):
    return standard_normal(count, size, seed=seed).astype(float)


def labels_of(count, classes=5):
    return np.arange(count) % classes


def smooth(z):
    """A decoder that is linear in the code, so that every step of a path is the same."""
    weights = np.random.default_rng(0).standard_normal((z.shape[1], SIDE * SIDE))
    return (0.5 + 0.01 * z @ weights).reshape(-1, SIDE, SIDE, 1).astype(np.float32)


def leaping(z):
    """One that leaps at every half of z₀, and is nearly the same in between."""
    images = smooth(0.1 * z)
    images[np.floor(2 * z[:, 0]) % 2 == 0] += 0.4
    return images


def report_on(codes, decode=smooth, *, prior="standard", labels=None, seed=0):
    labels = labels_of(len(codes)) if labels is None else labels
    return measure({"z": codes, "labels": labels}, decode, prior=prior, seed=seed)


def beyond_the_band(report):
    """Names of the limits whose number is worse than what N(0, I) draws give."""
    found = {name for name, limit in report.limits.items() if limit.headline.place == "above"}
    # A linear decoder has 1 to rounding, and so has its band.
    return found if report.discontinuous.headline.value > 1.001 else found - {"discontinuous"}


def ring(count):
    angles = 2 * np.pi * np.arange(count) / count
    codes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.sqrt(2) * codes + 0.05 * normal(count, 2, seed=3)


def uneven_codes(count):
    """Classes of N(0, I) that are pulled together or apart, with the whole kept near N(0, I)."""
    codes = normal(count, 2, seed=5)
    shape = labels_of(count, 2)
    return np.where((shape == 0)[:, None], codes * [0.9, 0.9], codes * [1.1, 1.1]), shape


@pytest.mark.parametrize("size", [1, 2, 16])
@pytest.mark.parametrize("prior", ["standard", "gaussian"])
def test_draws_of_the_prior_are_healthy(size, prior):
    report = report_on(normal(800, size, seed=12), prior=prior)

    assert not beyond_the_band(report)
    assert report.empty.headline.value == pytest.approx(0.05, abs=0.02)
    for limit in report.limits.values():
        for number in (limit.headline, *limit.details.values()):
            low, high = number.interval
            assert low <= number.value <= high


def test_uneven_classes_are_caught_as_uneven_alone():
    codes, labels = uneven_codes(800)
    report = report_on(codes, labels=labels)

    assert beyond_the_band(report) == {"uneven"}
    assert "the widest, 1, spreads 1.2" in report.uneven.sentence


def test_shifted_codes_are_caught_as_off_centre():
    codes = normal(800, 3, seed=12) + np.array([1.0, 0.0, 0.0])
    own = report_on(codes, prior="gaussian")  # the prior of an AE moves with its codes

    assert beyond_the_band(own) == {"off_centre"}
    assert own.off_centre.headline.value == pytest.approx(0.5, abs=0.02)  # 1 / √(1² + 3)
    assert own.off_centre.details["asymmetry_raw"].p == pytest.approx(1 / (1 + statistics.FLIPS))
    assert own.off_centre.details["asymmetry_whitened"].place == "inside"
    assert own.off_centre.details["asymmetry_whitened"].p is None
    assert "empty" in beyond_the_band(report_on(codes / 3))  # N(0, I) reaches farther


def test_a_ring_is_caught_as_empty_alone():
    report = report_on(ring(800), prior="gaussian")

    assert beyond_the_band(report) == {"empty"}
    # Of N(0, I), half lies within r = √(2 ln 2) = 1.18, where the ring is not yet.
    assert report.empty.headline.value > 0.5
    assert report.empty.details["occupancy_whitened"].value < 0.3


def test_a_leaping_decoder_is_caught_as_discontinuous_alone():
    codes = normal(800, 2, seed=12)
    report = report_on(codes, leaping)

    assert report.discontinuous.headline.value > 0.9 * statistics.STEPS
    assert not beyond_the_band(report) - {"discontinuous"}
    # The band holds the decoder fixed: here it is as bad between other draws.
    assert report.discontinuous.headline.band[0] > 0.9 * statistics.STEPS


def test_a_linear_decoder_has_no_leaps_and_a_constant_one_none_either():
    assert statistics.leaps(normal(50, 3), smooth, np.random.default_rng(0)) == pytest.approx(
        1.0, abs=1e-3
    )
    still = lambda z: np.zeros((len(z), SIDE, SIDE, 1), np.float32)  # noqa: E731
    assert (statistics.leaps(normal(50, 3), still, np.random.default_rng(0)) == 1.0).all()


def test_spreads_are_those_of_the_covariance():
    wide = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    codes = np.concatenate([wide, wide / 6])
    spreads = statistics.class_spreads(codes, np.repeat([0, 1], 4), [0, 1])

    # Unbiased variances 8/3 and 18/3: det^(1/4) = (16)^(1/4) = 2, and a sixth of it.
    assert spreads == pytest.approx([2.0, 1 / 3], rel=1e-4)
    # Two numbers: their standard deviation is half their difference, ln 6 / 2.
    assert statistics.unevenness(spreads) == pytest.approx(np.sqrt(6), rel=1e-4)


def test_the_mean_to_radius_ratio_in_closed_form():
    assert statistics.mean_to_radius(np.array([[3.0, 4.0]] * 5)) == pytest.approx(1.0)
    assert statistics.mean_to_radius(np.array([[1.0, 1.0], [-1.0, -1.0]])) == pytest.approx(0.0)
    assert statistics.mean_to_radius(np.array([[2.0], [0.0]])) == pytest.approx(np.sqrt(0.5))


def test_asymmetry_is_the_energy_distance_of_the_slow_sums():
    codes = normal(40, 3) + np.array([0.5, 0.0, 0.0])
    pairs = [(a, b) for i, a in enumerate(codes) for j, b in enumerate(codes) if i != j]
    within = np.mean([np.linalg.norm(a - b) for a, b in pairs])
    across = np.mean([np.linalg.norm(a + b) for a, b in pairs])

    assert statistics.asymmetry(codes) == pytest.approx((2 * across - 2 * within) / (2 * across))
    everything = np.ones((1, 40), bool)
    assert statistics.asymmetry_halves(codes, everything) == pytest.approx(
        statistics.asymmetry(codes)
    )


def test_sign_flips_find_what_is_there_and_nothing_where_nothing_is():
    rng = np.random.default_rng(0)
    found = [statistics.symmetry_p(normal(60, 2, seed=s), rng) for s in range(100)]

    assert statistics.symmetry_p(normal(60, 2) + 1.0, rng) == pytest.approx(0.005)
    # p of a true null is uniform; 100 of them below 0.1 is binomial, 10 ± 3.
    assert 2 <= sum(p <= 0.1 for p in found) <= 20


@pytest.mark.parametrize("size", [1, 2, 7])
def test_nearest_is_that_of_all_distances(size):
    codes, points = normal(150, size) + 1000.0, normal(90, size, seed=1) + 1000.0
    slow = np.array([[np.linalg.norm(p - c) for c in codes] for p in points])
    distances, indices = nearest(points, codes, 5)

    assert distances == pytest.approx(np.sort(slow)[:, :5], rel=1e-6)
    assert (indices[:, 0] == slow.argmin(axis=1)).all()
    among = np.array([[np.linalg.norm(p - c) for c in codes] for p in codes])
    np.fill_diagonal(among, np.inf)
    assert nearest(codes, codes)[0][:, 0] == pytest.approx(among.min(axis=1), rel=1e-6)


def test_half_samples_measure_holes_as_if_the_others_were_not_there():
    codes, points = normal(200, 2), normal(100, 2, seed=1)
    kept, some = (statistics.half_samples(np.random.default_rng(0), n)[0] for n in (200, 100))
    wide = (nearest(codes, codes, 16), nearest(points, codes, 16))
    alone = codes[kept]

    assert kept.sum() == 100
    assert statistics.share_in_holes(*wide, kept, some) == statistics.share_in_holes(
        nearest(alone, alone), nearest(points[some], alone)
    )


def test_the_grid_has_cells_of_equal_mass():
    cells = statistics.cells(normal(60_000, 2), 50)
    inside = cells[cells >= 0]
    counts = np.bincount(inside)

    assert len(inside) / 60_000 == pytest.approx(0.95, abs=0.005)
    assert len(counts) == 50
    assert counts == pytest.approx(np.full(50, len(inside) / 50), rel=0.15)  # 4.5 deviations


def test_intervals_are_as_wide_as_the_number_varies():
    """Half-samples against the known standard error of a mean, σ/√n."""
    codes = normal(400, 1)[:, 0]
    halves = statistics.half_samples(np.random.default_rng(0), 400)
    low, high = statistics.interval(codes.mean(), (codes[k].mean() for k in halves), -9, 9)

    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(400), rel=0.2)


def test_bands_are_the_lowest_and_highest_of_39():
    assert statistics.band(range(39)) == (0.0, 38.0)


def test_draws_leave_their_band_one_time_in_twenty():
    left = 0
    for trial in range(200):
        value, *nulls = (
            statistics.mean_to_radius(draws)
            for draws in np.random.default_rng(trial).standard_normal((40, 30, 2))
        )
        low, high = statistics.band(nulls)
        left += not low <= value <= high

    assert 2 <= left <= 22  # binomial, 10 ± 3


def test_scale_turn_and_place_change_only_what_they_should():
    codes = normal(600, 3) * [1.0, 0.5, 2.0]
    turn = np.linalg.qr(normal(3, 3, seed=2))[0]
    before, after = (report_on(z, prior="gaussian") for z in (codes, 40 * codes @ turn))

    for name in ("uneven", "off_centre", "empty"):
        assert after.limits[name].headline.value == pytest.approx(
            before.limits[name].headline.value, rel=1e-6, abs=0.03 if name == "empty" else 0
        )
    moved = report_on(codes + 5.0, prior="gaussian")
    assert moved.uneven.headline.value == pytest.approx(before.uneven.headline.value)
    assert moved.empty.headline.value == pytest.approx(before.empty.headline.value)
    assert moved.off_centre.headline.value > 0.9


def test_a_dimension_that_is_never_used_changes_nothing():
    codes = normal(300, 2)
    with_unused = np.concatenate([codes, np.full((300, 1), 0.25)], axis=1)
    whitening = Whitening.fit(with_unused)
    white = whitening.whiten(with_unused)

    assert white.shape == (300, 2)
    assert np.cov(white.T) == pytest.approx(np.eye(2), abs=1e-9)
    assert whitening.colour(white) == pytest.approx(with_unused)
    report = report_on(with_unused, prior="gaussian")
    assert report.protocol["used"] == 2
    assert report.uneven.headline.value == pytest.approx(report_on(codes).uneven.headline.value)


def test_holes_are_where_no_code_is():
    codes = ring(500) * 7 + 3
    points = np.array([[3.0, 3.0], codes[7] + 0.01, [100.0, 3.0]])

    assert Cloud.of(codes).in_hole(points).tolist() == [True, False, True]
    assert Cloud.of(codes / 7).in_hole(points / 7).tolist() == [True, False, True]
    drawn = hole_codes(codes, 40, seed=1)
    assert drawn.shape == (40, 2)
    assert drawn.dtype == np.float32
    assert Cloud.of(codes).in_hole(drawn).all()
    assert np.array_equal(drawn[:10], hole_codes(codes, 10, seed=1))
    assert not np.array_equal(drawn, hole_codes(codes, 40, seed=2))


def test_holes_are_those_of_the_prior_that_is_asked_for():
    codes = ring(500) / 2 + 1
    own, standard = (hole_codes(codes, 200, 1, prior=name) for name in ("gaussian", "standard"))

    assert Cloud.of(codes).in_hole(own).all()
    assert Cloud.of(codes).in_hole(standard).all()
    # The ring, of radius 0.7, is emptiest in its middle; N(0, I) lies mostly outside of it.
    assert np.median(np.linalg.norm(own - 1, axis=1)) < 0.7
    assert np.median(np.linalg.norm(standard - 1, axis=1)) > 1


@pytest.mark.parametrize("size", [2, 8])
def test_small_classes_have_finite_intervals_and_smaller_ones_are_left_out(size):
    labels = np.repeat([0, 1, 2, 3], [16, 17, 30, 15])
    report = report_on(normal(78, size), labels=labels)
    classes, _ = statistics.measurable_classes(labels, size)

    assert classes == [0, 1, 2]
    numbers = (report.uneven.headline, report.uneven.details["widest_to_narrowest"])
    for number in numbers:
        assert np.isfinite([*number.interval, *number.band]).all()
        assert number.interval[0] <= number.value <= number.interval[1] < 10
    assert json.dumps(report.to_dict(), allow_nan=False)
    few = report_on(normal(45, 2), labels=np.repeat([0, 1, 2], 15))
    assert few.uneven.headline is None


def test_halves_of_classes_hold_half_of_every_class():
    labels = np.repeat([-1, 0, 1], [5, 16, 31])
    masks = statistics.half_samples_of_classes(np.random.default_rng(0), labels)

    for label, half in ((-1, 2), (0, 8), (1, 15)):
        assert (masks[:, labels == label].sum(axis=1) == half).all()
    assert len(np.unique(masks, axis=0)) == statistics.HALVES


def test_without_labels_unevenness_is_not_available():
    report = report_on(normal(100, 2), labels=np.full(100, -1))

    assert report.uneven.headline is None
    assert "needs labels" in report.uneven.sentence
    assert report.to_dict()["uneven"]["headline"] is None


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (np.zeros((30, 2)), "all the same"),
        (np.full((30, 2), np.nan), "not finite"),
        (normal(19, 2), "19 codes given; allowed are 20 or more"),
    ],
)
def test_codes_that_cannot_be_measured_are_refused(codes, said):
    with pytest.raises(InputError, match=said):
        report_on(codes)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True])
def test_seeds_are_checked(seed):
    with pytest.raises(InputError, match="seed"):
        gensuite.health(BUNDLES / "toy-ae", seed=seed)


def test_a_vae_is_measured_on_draws_from_its_posteriors():
    mean, log_variance = np.zeros((4000, 2)), np.full((4000, 2), np.log(0.25))
    arrays = {"mean": mean, "log_variance": log_variance}

    assert draw_codes(arrays, 0).std() == pytest.approx(0.5, rel=0.05)
    assert np.array_equal(draw_codes(arrays, 0), draw_codes(arrays, 0))
    assert not np.array_equal(draw_codes(arrays, 0), draw_codes(arrays, 1))


@pytest.mark.parametrize("family", ["ae", "vae"])
def test_bundle_generator_and_path_give_the_same_report(family):
    path = BUNDLES / f"toy-{family}"
    generator = gensuite.load(path)
    report = gensuite.health(path)

    assert report == gensuite.health(generator) == gensuite.health(generator.bundle)
    assert report != gensuite.health(path, seed=1)
    assert list(report.limits) == list(LIMITS)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == report.to_dict()
    assert report.protocol["prior"] == ("raw" if family == "vae" else "whitened")


def test_a_gan_says_that_it_has_no_codes():
    with pytest.raises(InputError, match="a GAN has no codes: .*noise.*; use an AE or a VAE"):
        gensuite.health(BUNDLES / "toy-gan")


def test_info_prints_what_is_measured(capsys):
    path = str(BUNDLES / "toy-vae")
    report = gensuite.health(path)

    assert info.main([path, "--health"]) == 0
    text = capsys.readouterr().out
    assert all(limit.sentence in text for limit in report.limits.values())
    assert info.main([path, "--health", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == report.to_dict()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--health"], "no bundle given"),
        (["--json", str(BUNDLES / "toy-ae")], "add --health"),
        (["--health", str(BUNDLES / "toy-gan")], "a GAN has no codes"),
    ],
)
def test_info_refuses_in_one_line(words, said, capsys):
    assert info.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_bundle_whose_health_is_no_report_is_refused(tmp_path):
    facts, files = parts_of(bundles.read(BUNDLES / "toy-ae"))
    report = gensuite.health(BUNDLES / "toy-ae").to_dict()
    bundles.write(tmp_path / "good", facts | {"health": report}, files, replace=False)
    for health in ("fine", {}, report | {"empty": {"sentence": 3}}):
        with pytest.raises(
            BundleError, match="field is missing or wrong|sentence of latent health"
        ):
            bundles.write(tmp_path / "bad", facts | {"health": health}, files, replace=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": None}, "codes.npz: no array mean"),
        ({"labels": None}, "codes.npz: no array labels"),
        ({"labels": np.zeros(30, int)}, "codes.npz: mean is float16 of shape"),
        ({"log_variance": np.zeros((297, 3))}, "codes.npz: log_variance is float64 of shape"),
        ({"mean": np.zeros((297, 2), int)}, "codes.npz: mean is int64"),
        ({"labels": np.zeros(297)}, "codes.npz: labels are float64"),
        ({"labels": np.zeros((297, 1), int)}, "codes.npz: labels are int64 of shape"),
    ],
)
def test_a_bundle_whose_codes_are_not_those_of_its_model_is_refused(change, said, tmp_path, capsys):
    facts, files = parts_of(bundles.read(BUNDLES / "toy-vae"))
    arrays = {**unpack(files["codes.npz"]), **change}
    kept = {name: array for name, array in arrays.items() if array is not None}
    path = tmp_path / "vae"
    bundles.write(path, facts, files | {"codes.npz": pack(kept)}, replace=False)

    with pytest.raises(BundleError, match=said) as caught:
        gensuite.health(path)
    assert caught.value.code == "model"
    assert info.main([str(path), "--health"]) == 2
    assert said in capsys.readouterr().err


def test_health_is_measured_where_heavy_packages_refuse_to_import():
    script = REFUSE + f"import gensuite; print(gensuite.health({str(BUNDLES / 'toy-ae')!r}).empty)"
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=True)

    assert "Empty: " in done.stdout
