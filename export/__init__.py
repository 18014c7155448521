"""Export: a trained model becomes a bundle and a SavedModel, with proof that all three agree.

A package of the checkout, not of the wheel: an app that samples bundles never needs it.
"""

from typing import Any

__all__ = ["export_model", "export_run"]


def __getattr__(name: str) -> Any:
    """Import at first use, so that ``python -m export --help`` needs no TensorFlow."""
    if name not in __all__:
        raise AttributeError(f"module 'export' has no attribute {name!r}")
    from export import assemble

    return getattr(assemble, name)
