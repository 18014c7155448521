"""One battery for every family: shapes, one step, noise, saving, ``fit``."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gensuite.config import CONFIGS
from gensuite.models import FAMILIES, build_model, networks

SHAPE = (12, 8, 1)


def make(family, **settings):
    settings = {"network": "dense", "latent_dim": 3} | settings
    return build_model(CONFIGS[family](**settings), SHAPE)


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


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_codes_decode_to_images_in_range(family, network):
    model = make(family, network=network)
    decoded = model.decode(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))

    assert decoded.shape == (5, *SHAPE) == (5, *model.image_shape)
    assert model.latent_dim == 3
    assert float(tf.reduce_min(decoded)) >= 0
    assert float(tf.reduce_max(decoded)) <= 1


@pytest.mark.parametrize("network", ["conv", "dense"])
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


@pytest.mark.parametrize("side", range(8, 129, 4))
def test_convolutional_networks_fit_every_multiple_of_4(side):
    shape = (side, 8, 3)
    assert networks.decoder(shape, 2, "conv").output_shape == (None, *shape)
    assert networks.encoder(shape, 2, "conv").output_shape == (None, 2)
    assert networks.discriminator(shape, "conv").output_shape == (None, 1)


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
