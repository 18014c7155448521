"""Adam in one operation a variable."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="gensuite")
class Adam(keras.optimizers.Adam):
    """Adam (Kingma & Ba, "Adam: a method for stochastic optimization", 2015).

    The formula of Keras, which writes it as a dozen operations a variable, each a pass over memory:
    on a CPU a third to a half of a dense network's training step. TensorFlow has it as one. With
    ``amsgrad`` it is Keras' own.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Change one variable and its two moments.

        Args:
            gradient: of the loss, shaped like the variable.
            variable: float32 ``tf.Variable``.
            learning_rate: scalar.
        """
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        updates = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, updates),
            beta2_power=tf.pow(self.beta_2, updates),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),  # an embedding's is sparse
        )
