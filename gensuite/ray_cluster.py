"""A Ray cluster for as long as something needs it: this machine's own, or one that is there.

The environment variable ``RAY_ADDRESS`` names a cluster that is there, as everywhere in Ray.
Its machines need gensuite, and the folders that are written, at the same paths.
"""

import contextlib
import os
from collections.abc import Iterator

from gensuite.console import quiet_start
from gensuite.errors import ConfigError, InputError


def require_ray() -> None:
    """See that Ray is installed.

    Raises:
        ConfigError: it is not.
    """
    # Read when Ray is imported. It would report its use to its makers, and its C++ would print
    # notes that are nothing to a user; what fails is raised all the same.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
    try:
        import ray  # noqa: F401
    except ImportError:
        raise ConfigError("ray is not installed; pip install 'gensuite[ray]'") from None


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[None]:
    """Be connected to a cluster that has a CPU for each worker and one more.

    Without that one Ray Data waits for ever, and says nothing: its workers hold every CPU, and the
    task that would give them something to do gets none. On this machine's own cluster CPUs are
    numbers that Ray keeps, not cores, so that any number of workers is allowed.

    Args:
        workers: how many processes of one CPU each will work at the same time.

    Raises:
        ConfigError: Ray is not installed.
        InputError: the cluster that ``RAY_ADDRESS`` names has too few CPUs.
    """
    require_ray()
    import ray

    # Ray would set it to 1 in its workers, whose sums would round otherwise than those of a process
    # of one's own.
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers + 1}
    with quiet_start():  # it says there that it says nothing
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **own)
    try:
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if workers >= cpus:
            raise InputError(
                f"workers: {workers} given; the cluster has {cpus} CPUs, of which one is kept "
                f"free; allowed is at most {cpus - 1}"
            )
        yield
    finally:
        ray.shutdown()
