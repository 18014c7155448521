"""The models, and the one table of their families."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from gensuite.config import AEConfig, GANConfig, TrainingConfig, VAEConfig
from gensuite.models import networks
from gensuite.models.ae import AE
from gensuite.models.base import GenerativeModel
from gensuite.models.gan import GAN
from gensuite.models.vae import VAE

__all__ = ["AE", "FAMILIES", "GAN", "VAE", "Family", "GenerativeModel", "build_model"]


@dataclass(frozen=True)
class Family:
    """A row of the table: how a config becomes a compiled model."""

    model: type[GenerativeModel]
    build: Callable[..., GenerativeModel]
    """``(config, image_shape)`` → compiled model."""


def _build_ae(config: AEConfig, image_shape) -> AE:
    model = AE(
        networks.encoder(image_shape, config.latent_dim, config.network),
        networks.decoder(image_shape, config.latent_dim, config.network),
        seed=config.seed,
    )
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
    return model


def _build_vae(config: VAEConfig, image_shape) -> VAE:
    model = VAE(
        networks.encoder(
            image_shape, config.latent_dim, config.network, outputs=("mean", "log_variance")
        ),
        networks.decoder(image_shape, config.latent_dim, config.network),
        beta=config.beta,
        likelihood=config.likelihood,
        seed=config.seed,
    )
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate))
    return model


def _build_gan(config: GANConfig, image_shape) -> GAN:
    model = GAN(
        networks.decoder(image_shape, config.latent_dim, config.network, name="generator"),
        networks.discriminator(image_shape, config.network),
        seed=config.seed,
    )
    # beta_1 of 0.5: Radford et al., "Unsupervised representation learning with DCGANs", 2016.
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(
            config.discriminator_learning_rate or config.learning_rate, beta_1=0.5
        ),
    )
    return model


FAMILIES: dict[str, Family] = {
    "ae": Family(AE, _build_ae),
    "vae": Family(VAE, _build_vae),
    "gan": Family(GAN, _build_gan),
}


def build_model(config: TrainingConfig, image_shape: tuple[int, int, int]) -> GenerativeModel:
    """Build and compile a config's model, its weights drawn from the config's seed.

    Args:
        config: settings of a run.
        image_shape: ``(height, width, channels)``.
    """
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if config.mixed_precision else "float32")
    return FAMILIES[config.family].build(config, image_shape)
