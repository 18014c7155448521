"""The generator: what an app calls. Same seed, same bits; bad input, one clear error."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gensuite
from gensuite.arrays import pack
from gensuite.errors import BundleError, InputError
from gensuite.inference import bundle as bundles
from gensuite.inference.latents import standard_normal
from gensuite.inference.runtime import OnnxBackend
from tests.conftest import parts_of


@pytest.fixture(scope="module")
def vae(toy_bundle):
    return gensuite.load(toy_bundle)


@pytest.fixture(scope="module")
def ae(toy_bundle):
    return gensuite.load(toy_bundle.parent / "toy-ae")


@pytest.fixture(scope="module")
def gan(toy_bundle):
    return gensuite.load(toy_bundle.parent / "toy-gan")


@pytest.fixture(scope="module")
def digits(vae):
    return vae.bundle.arrays("golden.npz")["encoder.image"]


def test_samples_are_images_in_range(any_toy):
    images = gensuite.load(any_toy).sample(5, seed=1)

    assert images.shape == (5, 8, 8, 1)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_first_samples_do_not_depend_on_how_many_follow(any_toy):
    generator = gensuite.load(any_toy)
    whole = generator.sample(200, seed=9)

    for count in (1, 2, 3, 8, 31, 32, 33, 63, 64, 65):
        assert np.array_equal(generator.sample(count, seed=9), whole[:count]), count


def test_a_stream_is_the_sample_in_chunks(vae):
    chunks = list(vae.stream(150, seed=2))

    assert [len(chunk) for chunk in chunks] == [32, 32, 32, 32, 22]
    assert np.array_equal(np.concatenate(chunks), vae.sample(150, seed=2))


def test_a_stream_may_begin_at_any_chunk(any_toy):
    generator = gensuite.load(any_toy)
    whole = generator.sample(300, seed=2)

    for first in (0, 32, 192):
        rest = np.concatenate(list(generator.stream(300 - first, seed=2, first=first)))
        assert np.array_equal(rest, whole[first:]), first
    # The very last images that there are; one more would be image 0 again.
    assert [len(chunk) for chunk in generator.stream(32, first=2**32 - 32)] == [32]


def test_labels_and_the_mixture_go_with_the_first_image(toy_bundle, vae):
    cgan = gensuite.load(toy_bundle.parent / "toy-cgan")
    asked = np.arange(200) % 10
    whole = cgan.sample(200, seed=4, label=asked)
    rest = np.concatenate(list(cgan.stream(72, seed=4, label=asked[128:], first=128)))

    assert np.array_equal(rest, whole[128:])
    assert np.array_equal(cgan.labels(72, seed=4, first=128), cgan.labels(200, seed=4)[128:])
    (fitted,) = vae.stream(32, seed=4, prior="fitted", first=96)
    assert np.array_equal(fitted, vae.sample(128, seed=4, prior="fitted")[96:])


@pytest.mark.parametrize("first", [-32, 1, 31, 32.0, "32", True, 2**32])
def test_a_bad_first_image_is_refused_at_the_call(toy_bundle, vae, first):
    with pytest.raises(InputError, match=r"first: .* a multiple of 32 from 0 to 2\^32 less count"):
        vae.stream(8, first=first)
    with pytest.raises(InputError, match="first: "):
        gensuite.load(toy_bundle.parent / "toy-cgan").labels(8, first=first)


def test_samples_are_the_decoded_draws(any_toy):
    generator = gensuite.load(any_toy)

    labels = generator.labels(7, seed=3) if generator.bundle.classes else None
    np.testing.assert_array_equal(
        generator.decode(generator.draw(7, seed=3, spread=0.5), label=labels),
        generator.sample(7, seed=3, spread=0.5),
    )


def test_spread_is_a_factor_on_the_deviation_from_the_priors_mean(vae, ae):
    np.testing.assert_allclose(vae.draw(6, seed=1, spread=2.0), 2 * vae.draw(6, seed=1))
    mean = ae.bundle.gaussian_prior.mean
    np.testing.assert_allclose(ae.draw(6, spread=0.0), np.tile(mean, (6, 1)), rtol=1e-6)


def test_an_autoencoder_samples_from_its_codes_unless_told_otherwise(ae):
    codes = bundles.read(ae.bundle.path).arrays("codes.npz")["z"].astype(float)
    own, standard = ae.draw(5000, seed=0), ae.draw(5000, seed=0, prior="standard")

    assert np.array_equal(own, ae.draw(5000, seed=0, prior="gaussian"))
    assert np.linalg.norm(own.mean(0) - codes.mean(0)) < 0.5 * np.linalg.norm(codes.std(0))
    assert np.abs(standard.mean(0)).max() < 0.1


def test_the_fitted_prior_is_the_mixture_of_the_bundle(vae, ae):
    for generator in (vae, ae):
        prior = generator.bundle.mixture_prior
        whole = generator.draw(200, seed=6, prior="fitted")
        noise = standard_normal(200, 2, seed=6)

        assert prior.weights.shape == (10,)
        assert np.array_equal(whole, prior.codes(noise, seed=6))
        assert np.array_equal(whole[:70], generator.draw(70, seed=6, prior="fitted"))
        means = {tuple(mean) for mean in prior.means.astype(np.float32).tolist()}
        still = generator.draw(50, seed=6, prior="fitted", spread=0.0)
        assert {tuple(code) for code in still.tolist()} <= means
        assert np.array_equal(
            generator.sample(130, seed=6, prior="fitted"), generator.decode(whole[:130])
        )


@pytest.mark.parametrize("arrays", [{}, {"weights": np.ones(1)}, "other size", b"no arrays"])
def test_a_damaged_mixture_is_a_bundle_error_where_it_is_asked_for(toy_bundle, tmp_path, arrays):
    facts, files = parts_of(bundles.read(toy_bundle))
    if arrays == "other size":
        arrays = {"weights": np.ones(1), "means": np.zeros((1, 3)), "factors": np.zeros((1, 3, 3))}
    content = arrays if isinstance(arrays, bytes) else pack(arrays)
    bundles.write(tmp_path / "toy", facts, files | {"prior.npz": content}, replace=False)
    generator = gensuite.load(tmp_path / "toy")

    assert len(generator.sample(1)) == 1
    with pytest.raises(BundleError, match=r"^prior\.npz: ") as caught:
        generator.sample(1, prior="fitted")
    assert caught.value.code == "model"


def test_a_vae_encodes_to_a_distribution_whose_mean_is_the_code(vae, digits):
    mean, log_variance = vae.posterior(digits)

    assert mean.shape == log_variance.shape == (len(digits), 2)
    assert np.array_equal(vae.encode(digits), mean)


def test_reconstruction_is_the_decoded_code(vae, digits):
    np.testing.assert_array_equal(vae.reconstruct(digits), vae.decode(vae.encode(digits)))


def test_many_images_are_encoded_in_chunks(vae, digits):
    many = np.tile(digits, (5, 1, 1, 1))
    codes = vae.encode(many)

    assert len(codes) == len(many) > 64
    np.testing.assert_array_equal(codes[: len(digits)], vae.encode(digits))


def test_bytes_are_images_too(vae, digits):
    as_bytes = np.rint(digits * 255).astype(np.uint8)

    np.testing.assert_allclose(vae.encode(as_bytes), vae.encode(digits), atol=1e-5)


def test_interpolation_ends_at_the_two_codes(vae):
    a, b = vae.draw(2, seed=5)
    images = vae.interpolate(a, b, 6, path="spherical")

    assert images.shape == (6, 8, 8, 1)
    np.testing.assert_allclose(images[[0, -1]], vae.decode(np.stack([a, b])), atol=1e-5)


def test_threads_may_share_a_generator(vae):
    seeds = range(200)
    serial = [vae.sample(3, seed=seed) for seed in seeds]
    with ThreadPoolExecutor(16) as pool:
        parallel = list(pool.map(lambda seed: vae.sample(3, seed=seed), seeds))

    assert all(np.array_equal(a, b) for a, b in zip(serial, parallel, strict=True))


def test_two_threads_in_a_call_give_the_same_bits(toy_bundle, vae):
    twin = gensuite.load(toy_bundle, threads=2)

    assert np.array_equal(twin.sample(32, seed=4), vae.sample(32, seed=4))


@pytest.mark.parametrize("threads", [2, 3])
def test_chunks_side_by_side_come_in_order_and_give_the_same_bits(any_toy, threads):
    one, several = gensuite.load(any_toy), gensuite.load(any_toy, threads=threads)
    codes = one.draw(1000, seed=4)
    label = one.labels(1000, seed=4) if one.bundle.classes else None

    assert np.array_equal(several.sample(1000, seed=4), one.sample(1000, seed=4))
    assert np.array_equal(several.decode(codes, label=label), one.decode(codes, label=label))
    assert [len(chunk) for chunk in several.stream(200, seed=4)] == [32] * 6 + [8]


def test_several_chunks_run_at_the_same_time_on_sessions_of_one_thread(toy_bundle, monkeypatch):
    """Each of two runs waits for the other; if they came one after another, none would end."""
    together, used = threading.Barrier(2, timeout=60), set()
    run = OnnxBackend.run

    def meet(self, model, inputs):
        used.add(self.threads)
        together.wait()
        return run(self, model, inputs)

    monkeypatch.setattr(OnnxBackend, "run", meet)
    assert len(gensuite.load(toy_bundle, threads=2).sample(256)) == 256
    assert used == {1}


def test_a_stream_that_is_not_read_to_its_end_runs_no_further(toy_bundle, monkeypatch):
    rows = []
    run = OnnxBackend.run

    def count(self, model, inputs):
        rows.append(len(inputs["z"]))
        return run(self, model, inputs)

    monkeypatch.setattr(OnnxBackend, "run", count)
    stream = gensuite.load(toy_bundle, threads=2).stream(2**32)
    next(stream)
    stream.close()
    assert len(rows) <= 4


def test_a_gan_says_that_it_cannot_encode_and_why(gan, digits):
    for ask in (gan.encode, gan.reconstruct):
        with pytest.raises(InputError, match="GAN has no encoder: its generator was trained"):
            ask(digits)
    with pytest.raises(InputError, match=r"only a VAE .* this is a GAN"):
        gan.posterior(digits)


def test_an_autoencoder_has_no_posterior(ae, digits):
    with pytest.raises(InputError, match=r"only a VAE .* this is an AE"):
        ae.posterior(digits)


@pytest.mark.parametrize("count", [0, -1, 2**32 + 1, 1.5, "8", True, None])
def test_a_bad_count_is_refused_at_the_call(vae, count):
    for ask in (vae.sample, vae.stream, vae.draw):
        with pytest.raises(InputError, match="count: "):
            ask(count)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "7", True])
def test_a_bad_seed_is_refused(vae, seed):
    with pytest.raises(InputError, match=r"seed: .* from 0 to 2\^32 - 1"):
        vae.sample(1, seed=seed)


@pytest.mark.parametrize("spread", [-0.1, 11, float("nan"), float("inf"), "1", True])
def test_a_bad_spread_is_refused(vae, spread):
    with pytest.raises(InputError, match=r"spread: .* from 0 to 10"):
        vae.sample(1, spread=spread)


@pytest.mark.parametrize("spread", [2, 2.0, np.int64(2), np.float32(2)])
def test_a_spread_of_any_kind_of_number_is_taken(vae, spread):
    assert np.array_equal(vae.sample(2, spread=spread), vae.sample(2, spread=2))


def test_a_prior_the_model_does_not_have_is_refused(vae):
    with pytest.raises(InputError, match="prior: 'gaussian' given; this model has standard"):
        vae.sample(1, prior="gaussian")


@pytest.mark.parametrize(
    "z",
    [
        np.zeros((3, 4)),
        np.zeros(2),
        np.zeros((0, 2)),
        np.array([[np.nan, 0]]),
        np.array([[np.inf, 0]]),
        np.array([[1e39, 0]]),
        [[1.0, 2.0], [3.0]],
        [["a", "b"]],
        np.zeros((2, 2), complex),
        None,
    ],
)
def test_bad_codes_are_refused(vae, z):
    with pytest.raises(InputError, match=r"^z: "):
        vae.decode(z)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 28, 28, 1)),
        np.zeros((8, 8, 1)),
        np.zeros((0, 8, 8, 1)),
        np.full((1, 8, 8, 1), 1.5),
        np.full((1, 8, 8, 1), -0.1),
        np.full((1, 8, 8, 1), np.nan),
        np.zeros((1, 8, 8, 1), np.int64),
        "image.png",
    ],
)
def test_bad_images_are_refused(vae, images):
    with pytest.raises(InputError, match=r"^images: "):
        vae.encode(images)


def test_an_error_is_also_the_built_in_it_resembles(vae):
    with pytest.raises(ValueError, match="count"):
        vae.sample(0)
    with pytest.raises(FileNotFoundError):
        gensuite.load("no/such/bundle")


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"threads": 1.5}, {"backend": "torch"}, {"providers": ["NoSuchProvider"]}],
)
def test_bad_options_of_load_are_refused(toy_bundle, options):
    with pytest.raises(InputError, match=f"{next(iter(options))}: "):
        gensuite.load(toy_bundle, **options)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_not_replaced_in_silence(toy_bundle, monkeypatch):
    """Onnxruntime takes the CPU where a package names a provider whose libraries are not there."""
    named = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: named)
    with pytest.raises(InputError, match="'CUDAExecutionProvider' given, which cannot start"):
        gensuite.load(toy_bundle, providers=named)


def test_without_a_saved_model_beside_it_the_other_backend_says_so(toy_bundle):
    with pytest.raises(gensuite.BundleNotFoundError, match="no SavedModel here"):
        gensuite.load(toy_bundle, backend="savedmodel")


def test_bytes_that_are_no_model_are_a_bundle_error(toy_bundle):
    bundle = bundles.read(toy_bundle)
    with pytest.raises(BundleError, match="is not let pass") as caught:
        OnnxBackend({"decoder": b"not a model"}, bundle.ports)
    assert caught.value.code == "graph"


def test_a_model_that_hangs_together_nowhere_is_a_bundle_error(toy_bundle):
    bundle = bundles.read(toy_bundle)
    torn = bundle.models["decoder"].replace(b"MatMul", b"Concat")
    with pytest.raises(BundleError, match="onnxruntime refuses it") as caught:
        OnnxBackend({"decoder": torn}, bundle.ports)
    assert caught.value.code == "model"


def test_a_model_with_other_ports_than_stated_is_a_bundle_error(toy_bundle):
    bundle = bundles.read(toy_bundle)
    with pytest.raises(BundleError, match="its inputs are") as caught:
        OnnxBackend({"decoder": bundle.models["encoder"]}, bundle.ports)
    assert caught.value.code == "ports"
