"""Training images that stay on a GPU, so that a batch is no more than their places there."""

import functools
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from gensuite.data.splits import ImageData, shuffled_batches, to_floats


@dataclass(frozen=True)
class ResidentData(ImageData):
    """The same splits; steps take their images from the memory of a device.

    A CPU would hold them twice, and its pipeline costs a step no more than this.
    """

    device: str
    """Name of a logical device of TensorFlow."""

    @functools.cached_property
    def _resident(self) -> list[tf.Tensor]:
        """The images and, where there are any, the labels."""
        columns = [self.images["train"], *([self.labels["train"]] if self.labels else [])]
        # Out of the graph of a step, whose constants they would become.
        with tf.init_scope(), tf.device(self.device):
            return [tf.constant(column) for column in columns]

    def training_batches(self, batch_size, seed, *, labels=False, **place):  # noqa: ARG002
        """Places of the images, ``(batch_size,)`` int64, in the order of the others' batches."""
        return shuffled_batches([np.arange(len(self.images["train"]))], batch_size, seed, **place)

    def step_input(self, batch):
        """Images in [0, 1] from their places and, where there are any, their labels as int32."""
        images, *labels = [tf.gather(column, batch) for column in self._resident]
        return to_floats((images, *(tf.cast(label, tf.int32) for label in labels)))


def keep_on_gpu(data: ImageData) -> ImageData:
    """The data, on the GPU where one alone trains and memory holds the images."""
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus or data.on_disk or tf.distribute.has_strategy():
        return data
    return ResidentData(**vars(data), device=gpus[0].name)
