"""A task's networks in PyTorch, eager and compiled, as quick as plain code makes them.

Images lie in memory as float tensors, channels first, and a batch is one indexing call: no
``DataLoader``, which would collate it image by image.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (its name everywhere)
from torch import nn

from benchmarks.torch_networks import layers
from benchmarks.trainers.task import SAMPLES, Task, Window, WindowOverError
from gensuite.inference.latents import standard_normal

EVALUATION_BATCH = 500
Losses = dict[str, Any]
Compile = Callable[[Any], Any]
"""What is done to a function that computes losses: nothing, or ``torch.compile``."""


class Encoder(nn.Module):
    """Images ``(batch, 1, height, width)`` in [0, 1] → a list of outputs, each ``(batch, size)``.

    Args:
        task: whose weights it takes.
        name: ``encoder``, or ``discriminator``.
        heads: number of outputs.
        activation: between the layers.
    """

    def __init__(self, task: Task, name: str, heads: int, activation: Callable[[], nn.Module]):
        super().__init__()
        weights = task.weights(name)
        body, last = weights[: -2 * heads], weights[-2 * heads :]
        side = task.settings["side"]
        ends = [layers([*body, *last[2 * i : 2 * i + 2]], activation, side) for i in range(heads)]
        self.flat = weights[0].ndim == 2
        self.body = nn.Sequential(*ends[0][:-1])
        self.heads = nn.ModuleList(end[-1] for end in ends)

    def forward(self, image: Any) -> list[Any]:
        """The networks' first layer centres the images."""
        x = 2 * image - 1
        features = self.body(x.flatten(1) if self.flat else x)
        return [head(features) for head in self.heads]


class Decoder(nn.Module):
    """Codes ``(batch, latent_dim)`` → logits ``(batch, 1, height, width)``."""

    def __init__(self, task: Task, name: str):
        super().__init__()
        self.side = task.settings["side"]
        self.body = nn.Sequential(*layers(task.weights(name), nn.SiLU))

    def forward(self, z: Any) -> Any:
        """Logits; those of dense layers come flat."""
        return self.body(z).view(-1, 1, self.side, self.side)


def adam(task: Task, module: nn.Module) -> Any:
    """Adam with the task's settings."""
    settings = task.settings
    return torch.optim.Adam(
        module.parameters(),
        lr=settings["run"]["learning_rate"],
        betas=(settings["beta_1"], 0.999),
        eps=settings["epsilon"],
    )


class _Way:
    draws = 1

    def __init__(self, task: Task):
        self.task = task
        self.batch_size = task.settings["run"]["batch_size"]
        self.latent_dim = task.settings["run"]["latent_dim"]
        self.images = channels_first(task.floats("train"))

    def update(self, images: Any, noise: Any) -> Losses:
        raise NotImplementedError

    def first_steps(self) -> list[dict[str, float]]:
        """With the given noise."""
        found = []
        for images, noise in zip(*self.task.first_batches(), strict=True):
            losses = self.update(channels_first(images), torch.from_numpy(noise))
            found.append({name: float(loss) for name, loss in losses.items()})
        return found

    def train(self, seconds: float) -> tuple[int, float]:
        """Images and seconds, in an order drawn anew for every epoch."""
        window = Window(seconds)
        with contextlib.suppress(WindowOverError):
            while True:
                order = torch.randperm(len(self.images))
                for rows in order.split(self.batch_size)[:-1]:
                    noise = torch.randn(self.draws, self.batch_size, self.latent_dim)
                    self.update(self.images[rows], noise)
                    window.count()
        return window.steps * self.batch_size, window.seconds


class _Autoencoder(_Way):
    """AE and VAE: one loss, one optimizer."""

    heads = 1

    def __init__(self, task: Task, compile_: Compile):
        super().__init__(task)
        self.encoder = Encoder(task, "encoder", self.heads, nn.SiLU)
        self.decoder = Decoder(task, "decoder")
        self.optimizer = adam(task, nn.ModuleList([self.encoder, self.decoder]))
        self.loss_of = compile_(self.objective)

    def objective(self, image: Any, noise: Any) -> Any:
        raise NotImplementedError

    def update(self, images: Any, noise: Any) -> Losses:
        loss = self.loss_of(images, noise)
        _step(self.optimizer, loss)
        return {"loss": loss.detach()}

    def loss(self) -> float:
        """The validation loss, with noise of its own."""
        images = channels_first(self.task.floats("validation"))
        total = 0.0
        with torch.no_grad():
            for batch in images.split(EVALUATION_BATCH):
                noise = torch.randn(self.draws, len(batch), self.latent_dim)
                total += len(batch) * float(self.objective(batch, noise))
        return total / len(images)


class AE(_Autoencoder):
    """Squared error."""

    draws = 0

    def objective(self, image: Any, noise: Any) -> Any:  # noqa: ARG002
        """Summed over pixels, averaged over the batch."""
        (z,) = self.encoder(image)
        again = torch.sigmoid(self.decoder(z))
        return F.mse_loss(again, image, reduction="sum") / len(image)


class VAE(_Autoencoder):
    """Cross-entropy and divergence."""

    heads = 2

    def objective(self, image: Any, noise: Any) -> Any:
        """The negative ELBO in nats, averaged over the batch."""
        mean, log_variance = self.encoder(image)
        logits = self.decoder(mean + torch.exp(0.5 * log_variance) * noise[0])
        cross_entropy = F.binary_cross_entropy_with_logits(logits, image, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
        return (cross_entropy + kl) / len(image)


class GAN(_Way):
    """Two losses, two optimizers, in turn."""

    draws = 2

    def __init__(self, task: Task, compile_: Compile):
        super().__init__(task)
        self.generator = Decoder(task, "generator")
        self.discriminator = Encoder(task, "discriminator", 1, lambda: nn.LeakyReLU(0.2))
        self.optimizers = [adam(task, self.generator), adam(task, self.discriminator)]
        self.discriminator_loss = compile_(self.discriminator_objective)
        self.generator_loss = compile_(self.generator_objective)

    def discriminator_objective(self, image: Any, noise: Any) -> Any:
        """-E[ln D(x)] - E[ln(1 - D(G(z)))]."""
        with torch.no_grad():
            generated = torch.sigmoid(self.generator(noise))
        (real_logits,), (logits,) = self.discriminator(image), self.discriminator(generated)
        return F.softplus(-real_logits).mean() + F.softplus(logits).mean()

    def generator_objective(self, noise: Any) -> Any:
        """-E[ln D(G(z))]."""
        (logits,) = self.discriminator(torch.sigmoid(self.generator(noise)))
        return F.softplus(-logits).mean()

    def update(self, images: Any, noise: Any) -> Losses:
        """Of the discriminator, then of the generator, without gradients of the other's weights."""
        loss = self.discriminator_loss(images, noise[0])
        _step(self.optimizers[1], loss)
        self.discriminator.requires_grad_(False)
        generator_loss = self.generator_loss(noise[1])
        _step(self.optimizers[0], generator_loss)
        self.discriminator.requires_grad_(True)
        return {"discriminator_loss": loss.detach(), "generator_loss": generator_loss.detach()}

    def samples(self, path: str) -> None:
        """Images in [0, 1] of the same codes each time."""
        codes = torch.from_numpy(standard_normal(SAMPLES, self.latent_dim, seed=0))
        with torch.no_grad():
            images = torch.cat([self.generator(z) for z in codes.split(EVALUATION_BATCH)])
        np.save(Path(path), torch.sigmoid(images).permute(0, 2, 3, 1).numpy())


def make_eager(task: Task) -> _Way:
    """Layer by layer."""
    return _make(task, lambda function: function)


def make_compiled(task: Task) -> _Way:
    """Losses and their gradients by ``torch.compile``, which compiles anew in every process."""
    torch.compiler.config.force_disable_caches = True
    return _make(task, lambda function: torch.compile(function, dynamic=False))


def _make(task: Task, compile_: Compile) -> _Way:
    ways: dict[str, Any] = {"ae": AE, "vae": VAE, "gan": GAN}
    return ways[task.settings["run"]["model"]](task, compile_)


def _step(optimizer: Any, loss: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def channels_first(images: Any) -> Any:
    """Images ``(count, height, width, channels)`` as a tensor, channels first."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
