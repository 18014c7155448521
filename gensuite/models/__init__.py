"""The models, and the one table of their families."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from gensuite.config import AEConfig, GANConfig, TrainingConfig, VAEConfig
from gensuite.models import networks
from gensuite.models.ae import AE
from gensuite.models.base import GenerativeModel
from gensuite.models.gan import GAN
from gensuite.models.optimizer import Adam
from gensuite.models.vae import VAE

__all__ = [
    "AE",
    "FAMILIES",
    "GAN",
    "VAE",
    "Family",
    "GenerativeModel",
    "build_model",
    "halve_learning_rates",
]


@dataclass(frozen=True)
class Family:
    """A row of the table: how a config becomes a compiled model."""

    model: type[GenerativeModel]
    build: Callable[..., GenerativeModel]
    """``(config, image_shape, steps_per_epoch, classes)`` → compiled model."""


def _build_ae(config: AEConfig, image_shape, steps_per_epoch, classes) -> AE:  # noqa: ARG001
    model = AE(
        networks.encoder(image_shape, config.latent_dim, config.network),
        networks.decoder(image_shape, config.latent_dim, config.network),
        seed=config.seed,
    )
    model.compile(optimizer=_adam(config, config.epochs * steps_per_epoch))
    return model


def _build_vae(config: VAEConfig, image_shape, steps_per_epoch, classes) -> VAE:
    model = VAE(
        networks.encoder(
            image_shape, config.latent_dim, config.network, outputs=("mean", "log_variance")
        ),
        networks.decoder(image_shape, config.latent_dim, config.network, classes=classes),
        beta=config.beta,
        kl_warmup=config.kl_warmup * steps_per_epoch,
        likelihood=config.likelihood,
        importance_samples=config.importance_samples,
        binarize=config.binarize,
        seed=config.seed,
        classes=classes,
    )
    model.compile(optimizer=_adam(config, config.epochs * steps_per_epoch))
    return model


def _build_gan(config: GANConfig, image_shape, steps_per_epoch, classes) -> GAN:
    model = GAN(
        networks.decoder(
            image_shape, config.latent_dim, config.network, classes=classes, name="generator"
        ),
        networks.discriminator(
            image_shape, config.network, classes=classes, spectral_norm=config.spectral_norm
        ),
        loss=config.loss,
        penalty_weight=config.penalty_weight,
        augment=config.augment,
        seed=config.seed,
        classes=classes,
    )
    # beta_1 of 0.5: Radford et al., "Unsupervised representation learning with DCGANs", 2016.
    judging = dataclasses.replace(
        config, ema=0.0, learning_rate=config.discriminator_learning_rate or config.learning_rate
    )
    steps = config.epochs * steps_per_epoch
    model.compile(
        # Of the generator's own updates, because its learning rate falls by their number.
        optimizer=_adam(config, steps // config.discriminator_steps, beta_1=0.5),
        discriminator_optimizer=_adam(judging, steps, beta_1=0.5),
    )
    return model


def _adam(config: TrainingConfig, steps: int, **options) -> Adam:
    """Adam for so many updates: its step size, the fall at their end, and averaged weights."""
    rate: Any = config.learning_rate
    if config.decay:
        falling = max(1, round(config.decay * steps))
        # Keras' warm-up from the rate to the rate is a hold.
        rate = keras.optimizers.schedules.CosineDecay(
            rate, falling, warmup_target=rate, warmup_steps=max(0, steps - falling)
        )
    if config.ema:
        options |= {"use_ema": True, "ema_momentum": config.ema}
    return Adam(rate, **options)


def halve_learning_rates(model: GenerativeModel) -> None:
    """Halve the step size of every optimizer; a training step that was traced before is stale."""
    for optimizer, _ in model.updates():
        schedule = optimizer._learning_rate  # Keras has no public way to a schedule
        if isinstance(schedule, keras.optimizers.schedules.CosineDecay):
            schedule.initial_learning_rate /= 2
            schedule.warmup_target /= 2
        else:
            schedule.assign(schedule / 2)


FAMILIES: dict[str, Family] = {
    "ae": Family(AE, _build_ae),
    "vae": Family(VAE, _build_vae),
    "gan": Family(GAN, _build_gan),
}


def build_model(
    config: TrainingConfig,
    image_shape: tuple[int, int, int],
    *,
    steps_per_epoch: int = 1,
    classes: int = 0,
) -> GenerativeModel:
    """Build and compile a config's model, its weights drawn from the config's seed.

    Args:
        config: settings of a run.
        image_shape: ``(height, width, channels)``.
        steps_per_epoch: for what changes over the training, such as the learning rate; of no
            matter to a model that is not trained.
        classes: of the data set; used by a conditional model alone.
    """
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if config.mixed_precision else "float32")
    classes = classes if getattr(config, "conditional", False) else 0
    return FAMILIES[config.family].build(config, image_shape, steps_per_epoch, classes)
