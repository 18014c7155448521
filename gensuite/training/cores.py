"""How the cores of a CPU share a training; decided before TensorFlow starts its threads."""

import os

CORES = len(os.sched_getaffinity(0))
_LEAST_PART = 32
"""Images in a part: the vector units of a core want matrices of some size."""


def batch_parts(batch_size: int) -> int:
    """Into how many equal parts a batch is cut, to be trained on side by side.

    Two cores do more with half of a batch each than with each operation between them, because the
    operations of small networks are too short to share.

    Args:
        batch_size: images in a batch.

    Returns:
        At most a part for each core, and of 32 images at least; 1 for what cannot be cut so.
    """
    most = max(1, min(CORES, batch_size // _LEAST_PART))
    return next(parts for parts in range(most, 0, -1) if batch_size % parts == 0)


def share_cores(parts: int) -> None:
    """Let an operation use the cores of its part alone, where the user has not set that himself.

    TensorFlow asks once, when it is first used, which may be as a data set is prepared.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(CORES // parts))
