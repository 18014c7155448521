"""A task's networks in pythae: its models, its ``BaseTrainer``, its data loader."""

import contextlib
import functools
import tempfile
from typing import Any

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import AE, VAE, AEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

from benchmarks.trainers import pytorch
from benchmarks.trainers.task import Task, Window, WindowOverError


class _Encoder(BaseEncoder):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Any) -> Any:
        names = ("embedding", "log_covariance")
        return ModelOutput(**dict(zip(names, self.network(x), strict=False)))


class _Decoder(BaseDecoder):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, z: Any) -> Any:
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))


class _Clock(TrainingCallback):
    window = Window(0)

    def on_train_step_end(self, training_config: Any, **_: Any) -> None:  # noqa: ARG002
        self.window.count()


class Pythae:
    """AE or VAE; see :mod:`benchmarks.trainers.__main__`."""

    def __init__(self, task: Task):
        self.task = task
        run = task.settings["run"]
        self.batch_size = run["batch_size"]
        images = pytorch.channels_first(task.floats("train"))
        shape = {"input_dim": tuple(images.shape[1:]), "latent_dim": run["latent_dim"]}
        heads = 2 if run["model"] == "vae" else 1
        networks = {
            "encoder": _Encoder(pytorch.Encoder(task, "encoder", heads, nn.SiLU)),
            "decoder": _Decoder(pytorch.Decoder(task, "decoder")),
        }
        if run["model"] == "vae":
            model = VAE(VAEConfig(**shape, reconstruction_loss="bce"), **networks)
        else:
            model = AE(AEConfig(**shape), **networks)
        self._folder = tempfile.TemporaryDirectory(prefix="pythae-")
        config = BaseTrainerConfig(
            output_dir=self._folder.name,
            per_device_train_batch_size=self.batch_size,
            learning_rate=run["learning_rate"],
            optimizer_params={
                "betas": (task.settings["beta_1"], 0.999),
                "eps": task.settings["epsilon"],
            },
            no_cuda=True,
        )
        self.clock = _Clock()
        dataset = BaseDataset(images, torch.zeros(len(images)))
        self.trainer = BaseTrainer(model, dataset, training_config=config, callbacks=[self.clock])
        self.trainer.prepare_training()

    def first_steps(self) -> list[dict[str, float]]:
        """With the given noise, by the trainer's own update."""
        model, found = self.trainer.model, []
        drawn = getattr(model, "_sample_gauss", None)
        for images, noise in zip(*self.task.first_batches(), strict=True):
            model._sample_gauss = functools.partial(_given, torch.from_numpy(noise))
            output = model({"data": pytorch.channels_first(images)})
            self.trainer._optimizers_step(output)
            found.append({"loss": output.loss.item()})
        model._sample_gauss = drawn
        return found

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds of the trainer's epoch."""
        self.clock.window = window = Window(seconds)
        with contextlib.suppress(WindowOverError):
            while True:
                self.trainer.train_step(epoch=1)
        return window.steps * self.batch_size, window.seconds

    def loss(self) -> float:
        """The validation loss, with noise of its own."""
        model, total = self.trainer.model.eval(), 0.0
        images = pytorch.channels_first(self.task.floats("validation"))
        with torch.no_grad():
            for batch in images.split(pytorch.EVALUATION_BATCH):
                total += len(batch) * model({"data": batch}).loss.item()
        model.train()
        return total / len(images)


def _given(noise: Any, mean: Any, deviation: Any) -> tuple[Any, Any]:
    return mean + noise[0] * deviation, noise[0]
