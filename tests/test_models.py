"""One battery for every family: shapes, one step, noise, saving, ``fit``."""

import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gensuite.config import CONFIGS, NETWORKS
from gensuite.models import FAMILIES, build_model, networks
from gensuite.models.adversarial import ADVERSARIAL_LOSSES
from gensuite.models.optimizer import Adam
from gensuite.models.vae import draw_binary
from gensuite.training.cores import batch_parts

SHAPE = (12, 8, 1)
CLASSES = 4


def make(family, *, steps_per_epoch=1, **settings):
    settings = {"network": "dense", "latent_dim": 3} | settings
    return build_model(
        CONFIGS[family](**settings), SHAPE, steps_per_epoch=steps_per_epoch, classes=CLASSES
    )


def copies(variables):
    return [variable.numpy().copy() for variable in variables]


def changed(before, variables):
    return [not np.array_equal(b, v.numpy()) for b, v in zip(before, variables, strict=True)]


@pytest.fixture
def images():
    return np.random.default_rng(0).random((6, *SHAPE)).astype(np.float32)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.mark.parametrize("network", NETWORKS)
def test_codes_decode_to_images_in_range(family, network):
    model = make(family, network=network)
    decoded = model.decode(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))

    assert decoded.shape == (5, *SHAPE) == (5, *model.image_shape)
    assert model.latent_dim == 3
    assert float(tf.reduce_min(decoded)) >= 0
    assert float(tf.reduce_max(decoded)) <= 1


@pytest.mark.parametrize("network", NETWORKS)
def test_one_step_is_finite_and_changes_every_trainable_weight(family, network, images):
    model = make(family, network=network)
    before = copies(model.trainable_variables)
    logs = model.train_step(images)

    assert all(np.isfinite(float(value)) for value in logs.values())
    assert all(changed(before, model.trainable_variables))
    assert int(model.step) == 1


def test_validation_changes_no_weight_and_repeats_itself(family, images):
    model = make(family)
    before = copies(model.weights)
    results = []
    for _ in range(2):
        for metric in model.metrics:
            metric.reset_state()
        results.append({name: float(value) for name, value in model.test_step(images).items()})

    assert not any(changed(before, model.weights))
    assert results[0] == results[1]


def test_running_means_weigh_batches_by_their_images(images):
    """The mean over the epoch's images, not over its batches."""
    model = make("ae")
    model.test_step(images[:5])
    in_two = float(model.test_step(images[5:])["loss"])
    model.metrics[0].reset_state()

    assert in_two == pytest.approx(float(model.test_step(images)["loss"]), rel=1e-5)


@pytest.mark.parametrize("first", ["discriminator", "generator"])
def test_each_gan_update_leaves_the_others_weights_bit_identical(first, images):
    """With one optimizer at rest, a step may change the other's network alone."""
    model = make("gan")
    second = {"discriminator": "generator", "generator": "discriminator"}[first]
    resting = model.optimizer if second == "generator" else model.discriminator_optimizer
    resting.learning_rate = 0.0
    moving, still = getattr(model, first), getattr(model, second)
    before_moving, before_still = (
        copies(moving.trainable_variables),
        copies(still.trainable_variables),
    )
    model.train_step(images)

    assert all(changed(before_moving, moving.trainable_variables))
    assert not any(changed(before_still, still.trainable_variables))


def test_the_two_gan_updates_are_taken_in_turn(images):
    """The generator answers the discriminator that has just learned, not the one before."""
    reference, model = make("gan"), make("gan")
    reference.optimizer.learning_rate = 0.0
    reference.train_step(images)
    learned = reference.discriminator
    logs = model.train_step(images)

    noise = tf.random.stateless_normal([2, 6, 3], tf.constant([0, 0], tf.int64), alg="philox")
    answer = learned(reference.decode(noise[1]))
    expected = float(tf.reduce_mean(tf.nn.softplus(-answer)))
    assert float(logs["generator_loss"]) == pytest.approx(expected, rel=1e-4)


def test_noise_depends_on_seed_and_step_alone():
    model, twin, other = make("vae"), make("vae"), make("vae", seed=1)
    first = model.training_noise(4)
    model.step.assign_add(1)

    assert np.array_equal(first, twin.training_noise(4))
    assert not np.array_equal(first, model.training_noise(4))
    assert not np.array_equal(first, other.training_noise(4))
    assert not np.array_equal(first[0], model.validation_noise(4))


def test_the_vae_logs_both_terms_and_weighs_kl_by_beta(images):
    model = make("vae", beta=3.0)
    logs = {name: float(value) for name, value in model.test_step(images).items()}

    assert logs["loss"] == pytest.approx(logs["reconstruction"] + 3 * logs["kl"], rel=1e-5)
    assert logs["kl"] > 0


def test_the_gaussian_likelihood_learns_its_one_variance(images):
    model = make("vae", likelihood="gaussian")
    before = float(model.pixel_log_variance)
    model.train_step(images)

    assert model.pixel_log_variance.shape == ()
    assert float(model.pixel_log_variance) != before


def test_a_keras_file_brings_back_model_and_optimizers(family, images, tmp_path):
    model = make(family)
    model.train_step(images)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    noise = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)

    assert np.array_equal(model.decode(noise), again.decode(noise))
    model.train_step(images)
    again.train_step(images)
    assert np.array_equal(model.decode(noise), again.decode(noise))


def test_fit_and_evaluate_work_for_those_who_call_them(family, images):
    model = make(family)
    history = model.fit(images, batch_size=3, epochs=2, verbose=0, validation_data=(images,))
    result = model.evaluate(images, verbose=0, return_dict=True)

    names = {metric.name for metric in model.metrics}
    assert names <= history.history.keys()
    assert names <= result.keys()
    assert int(model.step) == 4


TWO_REPLICAS = """
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from gensuite.config import CONFIGS
from gensuite.models import build_model

images = np.random.default_rng(0).random((8, 8, 8, 1)).astype(np.float32)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for family in CONFIGS:
    config = CONFIGS[family](network="dense", latent_dim=3)
    alone = build_model(config, (8, 8, 1))
    alone.train_step(images)
    with strategy.scope():
        shared = build_model(config, (8, 8, 1))
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(images[context.replica_id_in_sync_group * 4 :][:4])
    )
    tf.function(lambda: strategy.run(shared.train_step, (halves,)))()
    pairs = zip(alone.trainable_variables, shared.trainable_variables, strict=True)
    print(family, max(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in pairs))
"""


def test_two_replicas_take_the_step_of_one_worker():
    """Each half of the global batch meets its own rows of the global noise."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS], capture_output=True, text=True, check=True
    )
    differences = dict(line.split() for line in done.stdout.splitlines()[-3:])

    assert differences.keys() == FAMILIES.keys()
    assert all(float(difference) <= 1e-5 for difference in differences.values()), differences


@pytest.mark.parametrize("network", ["conv", "residual_conv"])
@pytest.mark.parametrize("side", range(8, 129, 4))
def test_convolutional_networks_fit_every_multiple_of_4(side, network):
    shape = (side, 8, 3)
    assert networks.decoder(shape, 2, network).output_shape == (None, *shape)
    assert networks.encoder(shape, 2, network).output_shape == (None, 2)
    assert networks.discriminator(shape, network).output_shape == (None, 1)


@pytest.mark.parametrize(
    ("side", "count"), [(8, 1), (12, 1), (28, 2), (32, 3), (36, 2), (64, 4), (100, 2), (128, 5)]
)
def test_images_are_halved_while_they_are_even_and_above_7(side, count):
    assert networks.halvings(side, side) == count


def test_mixed_precision_keeps_weights_and_outputs_in_float32(images):
    try:
        model = make("vae", mixed_precision=True)
        model.train_step(images)
        mean, log_variance = model.encoder(images)
        kinds = {v.dtype for v in model.weights} - {"int64"}

        assert kinds == {"float32"}
        assert {t.dtype for t in (mean, log_variance, model.decode(mean))} == {tf.float32}
        assert model.encoder.layers[-3].compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_labels_are_passed_over_by_a_model_that_takes_none(family, images):
    """``fit`` on pairs of images and classes, as most data sets give them."""
    labels = np.arange(6) % CLASSES
    alone, with_labels = make(family), make(family)
    alone.fit(images, batch_size=6, verbose=0, shuffle=False)
    with_labels.fit(images, labels, batch_size=6, verbose=0, shuffle=False)
    noise = np.zeros((1, 3), np.float32)

    assert int(with_labels.step) == 1
    np.testing.assert_allclose(alone.decode(noise), with_labels.decode(noise), atol=1e-5)


@pytest.mark.parametrize(("family", "network"), [("vae", "residual_conv"), ("gan", "dense")])
def test_a_conditional_model_learns_and_comes_back_from_a_file(family, network, images, tmp_path):
    """The labels are int64, as numpy gives them."""
    model = make(family, network=network, conditional=True)
    labels = np.arange(6) % CLASSES
    before = copies(model.trainable_variables)
    model.fit(images, labels, batch_size=6, verbose=0, validation_data=(images, labels))
    assert all(changed(before, model.trainable_variables))

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    noise = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    assert again.classes == CLASSES
    assert again.latent_dim == 3
    for network_ in (model, again):
        network_.train_step((images, labels))
    zeros, ones = (model.decode(noise, np.full(4, label)).numpy() for label in (0, 1))
    assert np.array_equal(zeros, again.decode(noise, np.zeros(4, int)))
    assert not np.array_equal(zeros, ones)


def test_a_projection_discriminator_adds_the_match_of_features_and_class(images):
    network = networks.discriminator(SHAPE, "dense", classes=CLASSES)
    head = network.get_layer("logit")
    features = keras.Model(network.inputs[0], head.input)(images).numpy()
    (vectors,) = (v for v in copies(network.weights) if v.shape[0] == CLASSES)
    labels = np.array([0, 3, 1, 2, 0, 0])
    expected = head(features).numpy()[:, 0] + (features * vectors[labels]).sum(axis=1)

    found = network([tf.constant(images), tf.constant(labels, tf.int32)])
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("draws", [1, 5])
def test_the_vaes_loss_is_the_bound_of_its_draws(draws, images):
    """Against plain numpy: one draw with the closed KL, more with importance weights."""
    model = make("vae", importance_samples=draws, conditional=True)
    labels = np.arange(6) % CLASSES
    noise = np.random.default_rng(2).normal(size=(draws, 6, 3)).astype(np.float32)
    terms = model.loss_terms(images, noise, labels, beta=0.5)
    mean, log_variance = (port.numpy().astype(float) for port in model.encoder(images))

    def log_normal(z, mean, variance):
        return -0.5 * (np.log(2 * np.pi * variance) + (z - mean) ** 2 / variance).sum(axis=-1)

    log_weights, log_likelihoods = [], []
    for epsilon in noise:
        z = mean + np.exp(log_variance / 2) * epsilon
        p = model.decode(z.astype(np.float32), labels).numpy().astype(float)
        pixels = images * np.log(p) + (1 - images) * np.log(1 - p)
        log_likelihoods.append(pixels.sum(axis=(1, 2, 3)))
        log_ratio = log_normal(z, 0.0, 1.0) - log_normal(z, mean, np.exp(log_variance))
        log_weights.append(log_likelihoods[-1] + 0.5 * log_ratio)
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1).mean()
    reconstruction = -np.mean(log_likelihoods)
    expected = -np.log(np.exp(log_weights).mean(axis=0)).mean()
    if draws == 1:
        expected = reconstruction + 0.5 * kl

    assert float(terms["reconstruction"]) == pytest.approx(reconstruction, rel=1e-4)
    assert float(terms["kl"]) == pytest.approx(kl, rel=1e-4)
    assert float(terms["loss"]) == pytest.approx(expected, rel=1e-4)


def test_the_kl_warms_up_evenly_step_by_step_and_validation_does_not(images):
    model = make("vae", beta=2.0, kl_warmup=2, steps_per_epoch=2)
    weights = []
    for _ in range(6):
        before = {name: float(value) for name, value in model.test_step(images).items()}
        assert before["loss"] == pytest.approx(before["reconstruction"] + 2 * before["kl"], 1e-5)
        for metric in model.metrics:
            metric.reset_state()
        logs = {name: float(value) for name, value in model.train_step(images).items()}
        weights.append((logs["loss"] - logs["reconstruction"]) / logs["kl"])
        for metric in model.metrics:
            metric.reset_state()

    np.testing.assert_allclose(weights, [0, 0.5, 1, 1.5, 2, 2], atol=1e-3)


def test_binary_images_are_drawn_anew_by_step_with_the_pixel_as_their_mean():
    model, twin = (make("vae", binarize=True) for _ in range(2))
    image = np.random.default_rng(0).random((1, *SHAPE)).astype(np.float32)
    many = np.repeat(image, 4000, axis=0)
    first = draw_binary(many, model.training_uniform(4000, SHAPE)).numpy()
    model.step.assign_add(1)
    second = draw_binary(many, model.training_uniform(4000, SHAPE)).numpy()

    assert set(np.unique(first)) == {0.0, 1.0}
    assert np.abs(first.mean(axis=0) - image[0]).max() < 0.035  # 4.4 standard errors
    assert not np.array_equal(first, second)
    twin.step.assign(1)  # as a restored checkpoint does
    assert np.array_equal(second, draw_binary(many, twin.training_uniform(4000, SHAPE)))
    fixed = model.validation_uniform(6, SHAPE)
    assert np.array_equal(fixed, twin.validation_uniform(6, SHAPE))
    assert not np.array_equal(fixed, model.training_uniform(6, SHAPE))


def test_a_binarizing_vae_learns_from_black_and_white_images_alone(images):
    model, plain = make("vae", binarize=True), make("vae")
    binary = draw_binary(images, plain.training_uniform(6, SHAPE))
    logs, expected = model.train_step(images), plain.train_step(binary)

    assert float(logs["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-6)


def test_averaged_weights_are_those_of_the_recursion_and_for_a_while(family, images):
    model = make(family, ema=0.8)
    averaged = model.updates()[0][1]
    average = None
    for _ in range(4):
        model.train_step(images)
        weights = [value.astype(float) for value in copies(averaged)]
        average = average or weights
        average = [0.8 * a + 0.2 * w for a, w in zip(average, weights, strict=True)]
    last = copies(model.weights)

    with model.averaged_weights():
        for variable, value in zip(averaged, average, strict=True):
            np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-6)
        assert any(changed(last, model.weights))
        if family == "gan":  # the discriminator keeps no average
            before = copies(model.discriminator.trainable_variables)
    assert not any(changed(last, model.weights))
    if family == "gan":
        assert not any(changed(before, model.discriminator.trainable_variables))
    model.finalize()
    np.testing.assert_allclose(averaged[0], average[0], rtol=1e-4, atol=1e-6)


def test_without_a_step_there_is_no_average_to_take(family):
    model = make(family, ema=0.8)
    before = copies(model.weights)
    with model.averaged_weights():
        assert not any(changed(before, model.weights))


@pytest.mark.parametrize(
    "options",
    [{}, {"beta_1": 0.5, "use_ema": True, "ema_momentum": 0.5, "clipnorm": 1.0}, {"amsgrad": True}],
)
def test_adam_in_one_operation_is_that_of_keras(options):
    random = np.random.default_rng(0)
    start = random.normal(size=(5, 7)).astype(np.float32)
    gradients = random.normal(size=(20, 5, 7)).astype(np.float32)
    weights = []
    for kind in (Adam, keras.optimizers.Adam):
        weight = keras.Variable(start)
        optimizer = kind(1e-2, **options)
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient)], [weight])
        optimizer.finalize_variable_values([weight])
        weights.append(weight.numpy())

    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)
    assert np.abs(weights[0] - start).max() > 0.05


def test_the_learning_rate_is_held_and_then_falls_to_0_as_half_a_cosine(images):
    model = make("vae", decay=0.5, learning_rate=0.01, epochs=2, steps_per_epoch=4)
    rates = []
    for _ in range(10):
        rates.append(float(model.optimizer.learning_rate))
        model.train_step(images)

    cosine = [0.005 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    np.testing.assert_allclose(rates, [0.01] * 4 + cosine + [0, 0], atol=1e-8)


def test_both_learning_rates_of_a_gan_fall_to_0_at_its_end(images):
    """Though the generator takes every third step alone."""
    model = make(
        "gan", decay=1.0, epochs=3, steps_per_epoch=4, discriminator_steps=3, learning_rate=0.01
    )
    for step in range(12):
        before = copies(model.generator.trainable_variables)
        generator_too = (step + 1) % 3 == 0
        (model.train_step if generator_too else model.discriminator_step)(images)
        assert any(changed(before, model.generator.trainable_variables)) == generator_too

    assert int(model.optimizer.iterations) == 4
    assert int(model.discriminator_optimizer.iterations) == int(model.step) == 12
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
def test_every_adversarial_loss_takes_a_step_and_adds_its_penalty(loss, augment, images):
    """Of equal models, the first losses with and without the penalty differ by it alone."""
    model, at_rest = (make("gan", loss=loss, augment=augment) for _ in range(2))
    logs = model.train_step(images)
    before = copies(model.discriminator.trainable_variables)
    model.train_step(images)
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert any(changed(before, model.discriminator.trainable_variables))

    at_rest.penalty_weight = 0.0
    without = at_rest.train_step(images)
    gap = float(logs["discriminator_loss"]) - float(without["discriminator_loss"])
    assert (gap > 1e-3) == (ADVERSARIAL_LOSSES[loss].penalty is not None)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("ae", {}),
        ("vae", {"importance_samples": 3, "binarize": True, "conditional": True}),
        ("vae", {"likelihood": "gaussian"}),
        ("gan", {"augment": True, "conditional": True}),
        *(("gan", {"loss": loss}) for loss in ADVERSARIAL_LOSSES),
    ],
)
def test_the_parts_of_a_batch_make_the_step_of_the_whole(family, settings, images):
    """Their gradients are summed, and each part meets its own rows of the noise."""
    whole, parted = (make(family, network="conv", **settings) for _ in range(2))
    parted.parts = 3
    batch = (images, np.arange(6) % CLASSES)
    expected, found = whole.train_step(batch), parted.train_step(batch)

    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name
    for a, b in zip(whole.trainable_variables, parted.trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("cores", "batch_size", "parts"),
    [(1, 64, 1), (2, 63, 1), (2, 64, 2), (2, 65, 1), (3, 96, 3), (16, 64, 2), (16, 1000, 10)],
)
def test_a_batch_is_cut_into_equal_parts_for_the_cores(monkeypatch, cores, batch_size, parts):
    """None smaller than 32 images; 1,000 is not a multiple of 16 to 11."""
    monkeypatch.setattr("gensuite.training.cores.CORES", cores)

    assert batch_parts(batch_size) == parts


def largest_singular_value(kernel) -> float:
    matrix = np.asarray(kernel, float).reshape(-1, kernel.shape[-1])
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (4, 4, 16, 32), (512, 1), (1, 8), (96, 512)])
def test_spectral_norm_is_that_of_the_singular_value_decomposition(shape):
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    normed = networks.SpectralNorm()(tf.constant(kernel)).numpy()

    assert largest_singular_value(normed) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(normed / normed.flat[0], kernel / kernel.flat[0], rtol=1e-4)


@pytest.mark.parametrize("network", ["dense", "residual_conv"])
def test_spectral_norm_holds_every_kernel_of_a_training_discriminator(network, images):
    model = make("gan", network=network, spectral_norm=True, conditional=True)
    for _ in range(3):
        model.train_step((images, np.arange(6) % CLASSES))
    norms = [
        largest_singular_value(variable)
        for variable in model.discriminator.trainable_variables
        if len(variable.shape) > 1
    ]

    assert len(norms) >= 4
    np.testing.assert_allclose(norms, 1, atol=0.05)
