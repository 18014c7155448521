"""The SavedModel: named, shaped signatures, laid out as TensorFlow Serving reads it."""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from gensuite.models import GenerativeModel

Signature = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def signatures(model: GenerativeModel) -> dict[str, Signature]:
    """The model's endpoints, each a ``tf.function`` of named inputs.

    ``decode``: ``z (batch, latent_dim)`` → ``image``; and for a model with an encoder ``encode``:
    ``image (batch, h, w, c)`` → the encoder's ports, ``reconstruct``: ``image`` →
    ``reconstruction``. Where a conditional model decodes, it also takes ``label (batch,)`` int32.
    ONNX files are made from the same functions.
    """
    z = tf.TensorSpec((None, model.latent_dim), tf.float32, name="z")
    image = tf.TensorSpec((None, *model.image_shape), tf.float32, name="image")
    label = [tf.TensorSpec((None,), tf.int32, name="label")] if model.classes else []
    endpoints = {
        "decode": tf.function(
            lambda z, *label: {"image": model.decode(z, *label)}, input_signature=[z, *label]
        )
    }
    if hasattr(model, "encode"):
        endpoints["encode"] = tf.function(model.encode, input_signature=[image])
        endpoints["reconstruct"] = tf.function(
            lambda image, *label: {"reconstruction": model(image, *label)},
            input_signature=[image, *label],
        )
    return endpoints


def write_saved_model(model: GenerativeModel, endpoints: dict[str, Signature], path: Path) -> None:
    """Write the SavedModel; its first endpoint, ``decode``, is also ``serving_default``."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function in endpoints.items():
        archive.add_endpoint(name, function)
    archive.write_out(str(path), verbose=False)
