"""The settings of a training run: frozen dataclasses, checked when made, JSON both ways.

One class per family on top of :class:`TrainingConfig`. The command line of ``gensuite.train`` is
made from these fields, so that flags, files and code cannot drift apart.
"""

import json
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self, get_type_hints

from gensuite.errors import ConfigError
from gensuite.settings import check, setting, suggestion

FOLDER_PREFIX = "folder:"
NETWORKS = ("conv", "dense", "residual_conv", "residual_dense", "dcgan")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What every family shares. Making one checks it.

    Raises:
        ConfigError: a value is of the wrong type or outside its limits.
    """

    family: ClassVar[str]

    dataset: str = setting(
        "digits",
        "digits, shapes64, shapes128, the name of a tensorflow-datasets data set, or folder:PATH",
    )
    data_dir: str | None = setting(
        None, "folder of prepared tfds data sets (default: tfds's own)", local=True
    )
    raw_dir: str | None = setting(
        None, "folder of downloaded files from which to prepare the data set", local=True
    )
    memory_limit: int = setting(
        512,
        "MB of images kept in memory; those of a larger data set go into a file beside its data",
        low=0,
        high=1_000_000,
        local=True,
    )
    image_size: int | None = setting(
        None,
        "side of the square images, in pixels (default: the data's own size up to 128, else 64)",
        low=8,
        high=128,
        multiple=4,
    )
    channels: int | None = setting(
        None, "1 for grey, 3 for colour (default: as the data is)", choices=(1, 3)
    )
    network: str = setting("conv", "kind of the networks", choices=NETWORKS)
    latent_dim: int = setting(8, "numbers in a latent code", low=1, high=512)
    epochs: int = setting(60, "passes over the training split", low=1, high=100_000)
    batch_size: int = setting(64, "images in a training step", low=1, high=65_536)
    learning_rate: float = setting(1e-3, "Adam's step size", low=1e-8, high=1.0)
    decay: float = setting(
        0.0,
        "last share of the training in which the learning rate falls to 0, as half a cosine",
        low=0.0,
        high=1.0,
    )
    ema: float = setting(
        0.0,
        "share that averaged weights keep of themselves in a step, such as 0.999; they are then "
        "the model (0: no averaging)",
        low=0.0,
        high=0.99999,
    )
    seed: int = setting(0, "of weights, noise, data order and splits", low=0, high=2**32 - 1)
    keep: int = setting(2, "newest checkpoints kept", low=1, high=100, local=True)
    save_seconds: int = setting(
        30, "least time between two checkpoints, in seconds", low=0, high=86_400, local=True
    )
    mixed_precision: bool = setting(False, "compute in bfloat16, keep weights in float32")
    deterministic: bool = setting(False, "same weights on every run on a GPU too; slower, no XLA")

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in fields(self):
            check(item.name, getattr(self, item.name), hints[item.name], item.metadata)
        if self.dataset == FOLDER_PREFIX:
            raise ConfigError(f"dataset: {FOLDER_PREFIX!r} given; it needs the folder's path")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a config from JSON-like values.

        Raises:
            ConfigError: a key is unknown to this family, or a value is not allowed.
        """
        known = [item.name for item in fields(cls)]
        for key in values:
            if key not in known:
                raise ConfigError(
                    f"{key}: {cls.family} has no such setting; "
                    f"{suggestion(key, known)}allowed are {', '.join(known)}"
                )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """All settings and the family, as JSON-like values; :func:`load_config` takes them back."""
        return {"model": self.family} | {
            item.name: getattr(self, item.name) for item in fields(self)
        }

    def public_dict(self) -> dict[str, Any]:
        """What a bundle may tell: :meth:`to_dict` without paths and this machine's chores."""
        values = self.to_dict()
        for item in fields(self):
            if item.metadata["local"]:
                del values[item.name]
        values["dataset"] = dataset_label(self.dataset)
        return values


@dataclass(frozen=True, kw_only=True)
class AEConfig(TrainingConfig):
    """Settings of an autoencoder."""

    family: ClassVar[str] = "ae"

    patience: int | None = setting(
        None, "stop after so many epochs without a better validation loss", low=1, high=100_000
    )


@dataclass(frozen=True, kw_only=True)
class VAEConfig(TrainingConfig):
    """Settings of a variational autoencoder."""

    family: ClassVar[str] = "vae"

    patience: int | None = setting(
        None, "stop after so many epochs without a better validation loss", low=1, high=100_000
    )
    beta: float = setting(1.0, "weight of the KL divergence", low=0.0, high=1000.0)
    kl_warmup: int = setting(
        0,
        "epochs, fewer than all, in which the weight of the KL divergence rises from 0",
        low=0,
        high=100_000,
    )
    likelihood: str = setting(
        "bernoulli",
        "of a pixel: bernoulli from logits, or gaussian with one learned variance",
        choices=("bernoulli", "gaussian"),
    )
    importance_samples: int = setting(
        1,
        "posterior draws for each image; above 1 the loss is the IWAE bound (with beta other "
        "than 1 a weighted IWAE objective)",
        low=1,
        high=1000,
    )
    binarize: bool = setting(
        False, "draw black and white images anew in every step, pixels being probabilities"
    )
    conditional: bool = setting(False, "decode from a code and a class label")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.binarize and self.likelihood != "bernoulli":
            raise ConfigError(
                f"binarize: given with likelihood {self.likelihood!r}; allowed is 'bernoulli'"
            )
        if self.kl_warmup >= self.epochs:
            raise ConfigError(
                f"kl_warmup: {self.kl_warmup} given with {self.epochs} epochs; allowed is a whole "
                f"number from 0 to {self.epochs - 1}, so that some are trained at the full weight"
            )


@dataclass(frozen=True, kw_only=True)
class GANConfig(TrainingConfig):
    """Settings of a generative adversarial network."""

    family: ClassVar[str] = "gan"

    # The discriminator of `conv` has a hidden dense layer, and wins on MNIST in an epoch.
    network: str = setting("dcgan", "kind of the networks", choices=NETWORKS)
    latent_dim: int = setting(64, "numbers in a latent code", low=1, high=512)
    discriminator_learning_rate: float | None = setting(
        None, "Adam's step size of the discriminator (default: learning_rate)", low=1e-8, high=1.0
    )
    discriminator_steps: int = setting(
        1, "updates of the discriminator for each of the generator", low=1, high=100
    )
    loss: str = setting(
        "non_saturating",
        "of both networks; wgan_gp and r1 add a gradient penalty",
        choices=("non_saturating", "hinge", "wgan_gp", "r1"),
    )
    penalty_weight: float = setting(
        10.0, "of the gradient penalty of wgan_gp or r1", low=0.0, high=1e6
    )
    spectral_norm: bool = setting(
        False, "divide the discriminator's kernels by their largest singular value"
    )
    augment: bool = setting(
        False, "show the discriminator shifted, cut and recoloured images (DiffAugment)"
    )
    conditional: bool = setting(False, "generate from noise and a class label")


CONFIGS: dict[str, type[TrainingConfig]] = {
    config.family: config for config in (AEConfig, VAEConfig, GANConfig)
}
DEFAULT_FAMILY = "vae"


def load_config(values: dict[str, Any]) -> TrainingConfig:
    """Make the config of the family that ``values["model"]`` names (a VAE when absent).

    Raises:
        ConfigError: the family or a key is unknown, or a value is not allowed.
    """
    values = dict(values)
    family = values.pop("model", DEFAULT_FAMILY)
    if not isinstance(family, str) or family not in CONFIGS:
        raise ConfigError(
            f"model: {family!r} given; {suggestion(str(family), list(CONFIGS))}"
            f"allowed are {', '.join(CONFIGS)}"
        )
    return CONFIGS[family].from_dict(values)


def read_config_file(path: str | Path) -> dict[str, Any]:
    """Read the settings of a JSON file, such as a run's ``config.json``, unchecked.

    Raises:
        ConfigError: the file cannot be read or does not hold one JSON object.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"--config {path}: cannot be read as JSON ({error})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"--config {path}: holds {type(values).__name__}, not a JSON object")
    return values


def with_absolute_paths(config: TrainingConfig) -> TrainingConfig:
    """The same settings with every path absolute: a run finds its data from any folder."""
    places: dict[str, Any] = {
        name: absolute_path(place)
        for name in ("data_dir", "raw_dir")
        if (place := getattr(config, name))
    }
    return replace(config, dataset=absolute_dataset(config.dataset), **places)


def absolute_dataset(dataset: str) -> str:
    """A data set's name with the path of a folder made absolute."""
    if dataset.startswith(FOLDER_PREFIX):
        return FOLDER_PREFIX + absolute_path(dataset.removeprefix(FOLDER_PREFIX))
    return dataset


def absolute_path(path: str) -> str:
    """A path with ``~`` and links resolved."""
    return os.path.realpath(os.path.expanduser(path))


def dataset_label(dataset: str) -> str:
    """A data set's name without a path: ``folder:/home/me/cats`` → ``folder:cats``."""
    if dataset.startswith(FOLDER_PREFIX):
        return FOLDER_PREFIX + Path(absolute_dataset(dataset)).name
    return dataset


def run_name(family: str, dataset: str) -> str:
    """What the first run of a family on a data set is called: ``vae-digits``."""
    label = dataset_label(dataset).removeprefix(FOLDER_PREFIX) or "folder"
    return f"{family}-{label.replace('/', '-').replace(':', '-')}"
