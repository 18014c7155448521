"""Train an AE, a VAE or a GAN with Keras; sample what they learned with onnxruntime alone.

This package's own names are the light wing: numpy, Pillow and onnxruntime, imported when used.

    import gensuite

    generator = gensuite.load("artifacts/vae-digits")
    images = generator.sample(16, seed=7)  # (16, 28, 28, 1) float32 in [0, 1]
"""

from typing import TYPE_CHECKING, Any

from gensuite.version import __version__

if TYPE_CHECKING:
    from gensuite.errors import (
        BundleError,
        BundleNotFoundError,
        ConfigError,
        DataError,
        DivergedError,
        GensuiteError,
        InputError,
        MetricError,
        ParityError,
        RunError,
        RunNotFoundError,
    )
    from gensuite.inference.generator import Generator, load
    from gensuite.inference.health import HealthReport, health

__all__ = [
    "BundleError",
    "BundleNotFoundError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "Generator",
    "GensuiteError",
    "HealthReport",
    "InputError",
    "MetricError",
    "ParityError",
    "RunError",
    "RunNotFoundError",
    "__version__",
    "health",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that ``import gensuite`` costs nothing."""
    if name in ("Generator", "load"):
        from gensuite.inference import generator as home
    elif name in ("HealthReport", "health"):
        from gensuite.inference import health as home  # type: ignore[no-redef]
    elif name in __all__:
        from gensuite import errors as home  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module 'gensuite' has no attribute {name!r}")
    return getattr(home, name)
