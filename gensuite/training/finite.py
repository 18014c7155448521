"""The guard against NaN and infinity in a training."""

import math
from collections.abc import Mapping

import tensorflow as tf

from gensuite.models import GenerativeModel
from gensuite.training.state import training_variables

_LARGEST = 1e29
"""What is not below counts as not finite: Adam's mean of squares passes it where the squares of a
gradient of millions of numbers add up to more than float32 holds."""


class NotFiniteError(Exception):
    """A number of the training is not finite; the loop answers it, and it never leaves the loop.

    Args:
        what: the number's name.
        row: what is known of the epoch.
    """

    def __init__(self, what: str, row: Mapping[str, float]):
        super().__init__(what)
        self.what = what
        self.row = dict(row)


class FiniteGuard:
    """Looks at what is logged and at all that a checkpoint would hold.

    Args:
        model: compiled. A gradient whose norm is not finite is seen in the means that Adam keeps of
            it and of its square, where it alone would stop learning and say nothing.
    """

    def __init__(self, model: GenerativeModel):
        self._variables = [v for v in training_variables(model) if "float" in v.dtype]
        self._look = tf.function(self._finite)

    def check(self, row: Mapping[str, float]) -> None:
        """See that all numbers are finite.

        Args:
            row: what is logged: name → value.

        Raises:
            NotFiniteError: one is not.
        """
        broken = [name for name, value in row.items() if not math.isfinite(value)]
        found = zip(self._variables, self._look().numpy(), strict=True)
        broken += [variable.path for variable, finite in found if not finite]
        if broken:
            raise NotFiniteError(broken[0], row)

    def _finite(self):
        values = [tf.convert_to_tensor(variable) for variable in self._variables]
        return tf.stack([tf.reduce_all(tf.abs(value) < _LARGEST) for value in values])
