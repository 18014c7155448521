"""The rows of the training benchmark, the ways to train, and how long each takes its turns."""

from dataclasses import dataclass

from gensuite.training.cores import CORES

OURS, FEW_IMAGES, SETTINGS_WAY, KERAS, OWN_GAN, EAGER, COMPILED, PYTHAE = (
    "gensuite",
    "gensuite, few images",
    "gensuite, settings",
    "Keras fit",
    "keras.io's own GAN",
    "PyTorch eager",
    "PyTorch compiled",
    "pythae",
)
"""Names of the ways."""
FOLLOWED = (OURS, KERAS, EAGER, COMPILED, PYTHAE, OWN_GAN)
"""Ways whose time to the target is taken."""


@dataclass(frozen=True)
class Row:
    """What is trained, and the validation loss, or of a GAN the Fréchet distance, to reach."""

    family: str
    network: str
    target: float

    @property
    def ways(self) -> list[str]:
        """Names of the ways, in their turns."""
        return [
            OURS,
            KERAS,
            EAGER,
            COMPILED,
            OWN_GAN if self.family == "gan" else PYTHAE,
        ]


ROWS: dict[str, Row] = {
    "ae-conv": Row("ae", "conv", 14.0),
    "ae-dense": Row("ae", "dense", 14.0),
    "vae-conv": Row("vae", "conv", 115.0),
    "vae-dense": Row("vae", "dense", 115.0),
    "gan-dcgan": Row("gan", "dcgan", 10.0),
    "gan-dense": Row("gan", "dense", 12.0),
}
QUICK_ROWS = ("ae-conv", "vae-dense", "gan-dense")


@dataclass(frozen=True)
class Plan:
    """How long everything takes."""

    turns: int
    seconds: float
    """Of each way in a turn."""
    most: float
    """Seconds of training after which a way that has not reached the target is left alone."""
    epochs: tuple[int, int]
    """Memory after so many is compared."""


PLAN = Plan(turns=5, seconds=2.5, most=120.0, epochs=(5, 50))
QUICK_PLAN = Plan(turns=1, seconds=0.3, most=0.0, epochs=(1, 2))


@dataclass(frozen=True)
class Setting:
    """Choices of the training loop."""

    steps_per_call: int
    xla: bool
    threads: int
    """Of TensorFlow within an operation."""
    parts: int
    """Of a batch, side by side."""


SETTINGS = (
    *(Setting(steps, xla, CORES, 1) for xla in (False, True) for steps in (1, 10, 50)),
    Setting(50, False, 1, 1),
    Setting(50, False, CORES, 2),
    *(Setting(steps, False, 1, 2) for steps in (1, 10, 50)),
    Setting(50, True, 1, 2),
)
