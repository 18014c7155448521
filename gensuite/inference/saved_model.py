"""The one door in the wall: a bundle's models run by TensorFlow from the SavedModel beside it.

For comparing and for TensorFlow users. Nothing else in the light wing imports TensorFlow, and this
module is imported only by ``gensuite.load(..., backend="savedmodel")``.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gensuite.errors import BundleError, BundleNotFoundError
from gensuite.inference.bundle import Bundle
from gensuite.inference.runtime import Arrays

SIGNATURES = {"decoder": "decode", "generator": "decode", "encoder": "encode"}
"""Model of a bundle → signature of its SavedModel."""

BUNDLE_NOTE = "assets.extra/bundle"
"""File of a SavedModel with the identity of the bundle that it was written with."""


def saved_model_place(bundle: Path) -> Path:
    """Where the SavedModel of the bundle at a path lies, as TF Serving reads it."""
    return bundle.parent / "saved_model" / bundle.name / "1"


class SavedModelBackend:
    """``artifacts/saved_model/NAME/1`` beside the bundle ``artifacts/NAME``.

    Raises:
        BundleNotFoundError: there is no SavedModel there.
        BundleError: the SavedModel there was written with another bundle.
    """

    def __init__(self, bundle: Bundle):
        folder = saved_model_place(bundle.path.resolve())
        if not (folder / "saved_model.pb").is_file():
            raise BundleNotFoundError(
                "missing", f"{folder}: no SavedModel here; python -m export RUN writes it"
            )
        note = folder / BUNDLE_NOTE
        if not note.is_file() or note.read_text() != bundle.identity:
            raise BundleError("hash", f"{folder}: is of another bundle; export the run again")
        # Kept: signatures hold their model weakly.
        self._model = tf.saved_model.load(str(folder))

    @property
    def threads(self) -> int:
        """1: TensorFlow spreads a chunk over threads of its own."""
        return 1

    @property
    def one_thread(self) -> "SavedModelBackend":
        """Itself."""
        return self

    def run(self, model: str, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """Run one model; see :class:`gensuite.inference.runtime.Backend`."""
        signature = self._model.signatures[SIGNATURES[model]]
        outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}
