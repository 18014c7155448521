"""The plane through latent space, its rings, and distances in a prior's own measure."""

import numpy as np
import pytest
from scipy.stats import chi

from gensuite.inference import bundle as bundles
from gensuite.inference.bundle import Bundle
from gensuite.inference.latents import draw_codes, standard_normal
from gensuite.inference.plane import SHARES, Plane
from gensuite.inference.priors import GaussianPrior, norm_quantiles
from tests.conftest import BUNDLES


def wide(family: str, size: int) -> Bundle:
    """A bundle whose codes have more than two numbers; its models are not looked at."""
    rng = np.random.default_rng(0)
    toy = bundles.read(BUNDLES / f"toy-{family}")
    latent = toy.manifest["latent"] | {"size": size, "prior": "standard"}
    latent.pop("gaussian", None)
    changed = Bundle(toy.path, toy.manifest | {"latent": latent}, toy.files)
    if family != "gan":
        scales = np.array([3.0, 2.0, *[0.5] * (size - 2)])
        labels = np.zeros(500, np.int64)
        codes = {"labels": labels, "z": rng.normal(size=(500, size)) * scales}
        changed.__dict__["codes"] = codes
    return changed


@pytest.mark.parametrize("size", [1, 2, 3, 16, 64, 512, 4096])
def test_norm_quantiles_are_those_of_the_chi_distribution(size):
    shares = (0.05, 0.5, 0.9, 0.95, 0.99)
    assert np.allclose(norm_quantiles(size, shares), chi(size).ppf(shares), rtol=0, atol=1e-6)


def test_norms_are_those_of_the_noise_that_makes_the_codes():
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(4, 4))
    prior = GaussianPrior(rng.normal(size=4), factor @ factor.T + np.eye(4))
    noise = standard_normal(50, 4, seed=3)
    norms = prior.norms(prior.codes(noise))
    assert np.allclose(norms, np.linalg.norm(noise, axis=1), rtol=1e-4)


def test_codes_of_two_numbers_are_their_own_map(any_toy):
    bundle = bundles.read(any_toy)
    plane = Plane.of(bundle)
    points = np.array([[0.5, -1.0], [2.0, 0.25]])
    assert plane.kind == "whole"
    assert plane.explained == 1
    assert np.allclose(plane.to_codes(points), points)
    assert np.allclose(plane.project(points), points)


def test_longer_codes_lie_on_their_two_widest_components():
    bundle = wide("ae", 5)
    plane = Plane.of(bundle)
    codes = draw_codes(bundle.codes, seed=0)
    variances = np.sort(np.linalg.eigvalsh(np.cov(codes, rowvar=False)))[::-1]
    assert plane.kind == "components"
    assert np.isclose(plane.explained, variances[:2].sum() / variances.sum())
    assert np.allclose(plane.axes.T @ plane.axes, np.eye(2))
    assert np.allclose(np.var(plane.project(codes), axis=0, ddof=1), variances[:2])
    points = np.array([[1.0, 2.0]])
    assert np.allclose(plane.project(plane.to_codes(points)), points, atol=1e-6)
    off = plane.to_codes(np.zeros((1, 2)))
    assert np.allclose(off, codes.mean(axis=0), atol=1e-6)


def test_the_plane_of_a_gan_goes_through_two_of_its_draws():
    plane = Plane.of(wide("gan", 64), seed=7, image=3)
    draws = standard_normal(2, 64, seed=7, first=2)
    assert plane.kind == "section"
    assert plane.explained == 0
    assert np.allclose(plane.to_codes(plane.project(draws)), draws, atol=1e-5)
    assert np.isclose(plane.project(draws)[0, 1], 0, atol=1e-6)
    radii = [np.linalg.norm(ring, axis=1) for ring in plane.rings]
    assert np.allclose(radii, norm_quantiles(64, SHARES)[:, None])


@pytest.mark.parametrize("family", ["ae", "vae", "gan"])
def test_the_rings_hold_their_shares_of_the_models_own_prior(family):
    bundle = bundles.read(BUNDLES / f"toy-{family}")
    plane = Plane.of(bundle)
    prior = bundle.own_prior
    noise = standard_normal(20_000, 2, seed=1)
    norms = prior.norms(prior.codes(noise))
    for share, ring in zip(SHARES, plane.rings, strict=True):
        radius = prior.norms(ring)
        assert np.allclose(radius, radius[0])
        assert np.isclose((norms <= radius[0]).mean(), share, atol=0.01)


def test_the_square_holds_codes_and_rings_and_its_cells_run_like_a_picture(toy_bundle):
    bundle = bundles.read(toy_bundle)
    plane = Plane.of(bundle)
    seen = np.concatenate([*plane.rings, plane.project(draw_codes(bundle.codes, seed=0))])
    assert (np.abs(seen - plane.centre) <= plane.reach).all()
    cells = plane.cells(3) - plane.centre
    step = 2 * plane.reach / 3
    assert np.allclose(cells[0], (-step, step))
    assert np.allclose(cells[5], (step, 0))
    assert np.allclose(cells[-1], (step, -step))
