"""Training images that stay on a device; here on the CPU, where they are not kept otherwise."""

import numpy as np
import pytest
import tensorflow as tf

from gensuite.config import GANConfig, VAEConfig
from gensuite.data.reading import open_dataset
from gensuite.data.resident import ResidentData, keep_on_gpu
from gensuite.models import build_model
from gensuite.training.distribution import compile_steps

CONFIGS = (
    VAEConfig(network="dense"),
    GANConfig(network="dense", conditional=True, discriminator_steps=2),
)


@pytest.fixture(scope="module")
def digits():
    return open_dataset("digits")


def on_cpu(data):
    return ResidentData(**vars(data), device="CPU:0")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.family)
def test_a_training_from_a_device_ends_in_the_same_bits(config, digits):
    def weights(data):
        model = build_model(config, data.image_shape, classes=len(data.class_names))
        run_steps, _ = compile_steps(model, config, data)
        batches = data.training_batches(config.batch_size, 3, epoch=1, skip=19, labels=True)
        run_steps(iter(batches), tf.constant(4))  # into the next epoch
        return [weight.numpy().tobytes() for weight in model.weights]

    assert weights(on_cpu(digits)) == weights(digits)


def test_a_batch_is_places_alone_and_the_images_are_no_constants_of_the_step(digits):
    data = on_cpu(digits)
    (batch,) = data.training_batches(64, 0).take(1)
    step = tf.function(data.step_input).get_concrete_function(batch)
    images, labels = step(batch)

    assert batch.shape == (64,)
    assert step.graph.as_graph_def().ByteSize() < 10_000
    assert np.array_equal(np.rint(images * 255.0), digits.images["train"][batch])
    assert np.array_equal(labels, digits.labels["train"][batch])


def test_without_a_gpu_the_images_stay_where_they_are(digits):
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("there is a GPU")

    assert keep_on_gpu(digits) is digits
