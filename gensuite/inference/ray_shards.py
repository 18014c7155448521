"""The door to Ray: shards written by the workers of a cluster, with Ray Data.

The light wing imports Ray here and in :mod:`gensuite.ray_cluster` alone, and only when asked.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gensuite.inference.bundle import Bundle
from gensuite.inference.generator import Generator
from gensuite.inference.shards import Sampling, write_shard
from gensuite.ray_cluster import cluster

_TASKS = 1000
"""Most tasks that the shards are dealt into: enough to keep workers busy and a bar moving."""


class ShardWriter:
    """What a worker keeps from one shard to the next; Ray makes one in each."""

    def __init__(self, bundle: Bundle, folder: Path, sampling: Sampling):
        self._generator = Generator.of(bundle)
        self._folder = folder
        self._sampling = sampling

    def __call__(self, row: dict[str, int]) -> dict[str, Any]:
        """Make the shard that begins with image ``row["item"]``.

        Returns:
            Its ``size``, and ``errno`` and ``path`` of what the disk refused: an error that is
            raised here would reach the caller in words of Ray's.
        """
        first = row["item"]
        done = {"size": self._sampling.size(first), "errno": 0, "path": ""}
        # Ray gives a shard out again when the worker died that had just written it.
        if self._sampling.place(self._folder, first).exists():
            return done
        try:
            write_shard(self._generator, self._folder, self._sampling, first)
        except OSError as error:
            return {"size": 0, "errno": error.errno, "path": str(error.filename)}
        return done


def write_on_ray(
    workers: int, bundle: Bundle, folder: Path, sampling: Sampling, firsts: list[int]
) -> Iterator[int]:
    """Make the shards that begin with the images ``firsts``; yields sizes as they are done."""
    if not firsts:
        return
    with cluster(workers):
        import ray

        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        rows = ray.data.from_items(firsts, override_num_blocks=min(len(firsts), _TASKS)).map(
            ShardWriter,
            fn_constructor_args=(bundle, folder.resolve(), sampling),
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(firsts))),
            num_cpus=1,
        )
        for row in rows.iter_rows():
            if row["errno"]:
                raise OSError(row["errno"], os.strerror(row["errno"]), row["path"])
            yield row["size"]
