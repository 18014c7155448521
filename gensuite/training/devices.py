"""What training runs on."""

import os

import tensorflow as tf

from gensuite.training.cores import CORES


def prepare(*, deterministic: bool) -> str:
    """Set TensorFlow up for this machine's best device.

    Args:
        deterministic: choose operations that give the same bits on every run on a GPU too.

    Returns:
        The device in words, such as ``CPU (2 cores)``.
    """
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        _do_not_rewrite()
        # Without oneDNN the same training ends with other bits.
        without = ", without oneDNN" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else ""
        return f"CPU ({CORES} cores{without})"
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    names = {tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus}
    return f"GPU ({', '.join(sorted(map(str, names)))})"


def use_exact_float32() -> None:
    """Let float32 give the same bits in every process, as a proof of parity needs.

    Matrix products on a GPU are not rounded to TensorFloat-32.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)
    # Looked for now, while the caller has TensorFlow's complaint that there is none silenced.
    tf.config.list_physical_devices("GPU")
    _do_not_rewrite()


def _do_not_rewrite() -> None:
    """Switch two of Grappler's rewritings off, which make these networks no faster.

    The remapper fails on the gradient of LeakyReLU and complains at length. The arithmetic
    optimizer now and then adds the same numbers in another order, and then in other last digits.
    """
    off = {"remapping": False, "arithmetic_optimization": False}
    tf.config.optimizer.set_experimental_options(off)
