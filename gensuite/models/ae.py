"""The autoencoder: squared error, and no wish about where the codes lie."""

import keras
import tensorflow as tf

from gensuite.models.base import GenerativeModel, mean_trackers
from gensuite.models.losses import squared_error


@keras.saving.register_keras_serializable(package="gensuite")
class AE(GenerativeModel):
    """An autoencoder: image → z → image.

    The encoder reduces the dimension; the decoder, fed codes, is a generative model. As nothing
    shapes the codes, N(0, I) is a poor guess of where they lie: sampling uses the Gaussian of the
    training codes instead.

    Args:
        encoder: built ``keras.Model``, ``(batch, h, w, c)`` in [0, 1] → ``(batch, latent_dim)``.
        decoder: built ``keras.Model``, ``(batch, latent_dim)`` → logits ``(batch, h, w, c)``,
            whose sigmoid is the image.
        seed: see :class:`GenerativeModel`.
    """

    network_names = ("encoder", "decoder")
    prior = "gaussian"

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.trackers = mean_trackers("loss")

    def decoding_network(self):
        """The decoder."""
        return self.decoder

    def encode(self, image) -> dict:
        """``{"z": (batch, latent_dim)}`` of images ``(batch, h, w, c)`` in [0, 1]."""
        return {"z": self.encoder(image)}

    def call(self, image, training=False):
        """Reconstructions of images."""
        return tf.sigmoid(self.decoder(self.encoder(image, training=training), training=training))

    def train_step(self, data):
        """One update of encoder and decoder together."""
        image, _ = self.images_and_labels(data)

        def losses_of(image):
            return {"loss": squared_error(image, self(image, training=True))}

        values = self.minimize(losses_of, (image,), self.trainable_variables, self.optimizer)
        self.step.assign_add(1)
        return self.track(image, **values)

    def test_step(self, data):
        """The loss of a batch, without an update."""
        image, _ = self.images_and_labels(data)
        return self.track(image, loss=squared_error(image, self(image)))
