"""All sample scores of a model against the test images, each beside its floor."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensuite.data.disk import Images
from gensuite.data.splits import ImageData
from gensuite.metrics import frechet, intervals
from gensuite.metrics.features import FEATURES, Classifier, preparation
from gensuite.metrics.intervals import Estimate
from gensuite.metrics.manifold import (
    DENSITY_NEIGHBOURS,
    PRECISION_NEIGHBOURS,
    manifold_scores,
    nearest_distances,
)

UNSURE_BELOW = 0.5
_NEAREST_IMAGES = 2000
"""Samples and test images at most whose nearest training images are searched: all of MNIST's would
take longer than everything else together."""
_TRAIN_AGAINST_TEST = "as many real training images, drawn by the seed, against the test images"
_TEST_IMAGES = "the real test images"
_BOOTSTRAP = "95% percentile interval of {} resamples of {}"

Scores = dict[str, dict[str, Any]]


class SampleJudge:
    """Real images, made ready once to be compared with the samples of any prior.

    Args:
        data: the splits.
        classifier: of the data set, or None where none ships: then only nearest training images
            are measured.
        count: samples that will come. Two-sample scores take as many of both sides as there are
            test images at most, so that their floor is of the same counts.
        seed: of the choice of real images and of all resampling.

    Attributes:
        samples: how many of them are looked at, the first.
    """

    def __init__(self, data: ImageData, classifier: Classifier | None, count: int, seed: int):
        self.seed = seed
        self._train, self._test = data.images["train"], data.images["test"]
        self._classifier = classifier
        self._common = {"data": f"{data.name} {data.version}", "split": "test", "seed": seed}
        self._pairs = min(count, len(self._test), len(self._train))
        self._near = min(count, _NEAREST_IMAGES)
        self.samples = count if classifier else self._near
        self._test_distances = nearest_distances(self._test[: self._near], self._train)
        if classifier:
            self._features = {
                "classifier": f"{classifier.name}.onnx sha256:{classifier.sha256}",
                "preparation": preparation(data.image_shape),
            }
            chosen = self._chosen(self._test)
            self._test_features, test_classes = classifier(self._test[chosen])
            self._test_agrees = test_classes.argmax(axis=1) == data.labels["test"][chosen]
            train_features, _ = classifier(self._train[self._chosen(self._train)])
            self._pair_floor = self._compare(train_features)
            self._class_floor = self._classify(test_classes)

    def score(self, samples: NDArray[np.uint8], labels: NDArray[Any] | None = None) -> Scores:
        """The scores of samples.

        Args:
            samples: ``(count, height, width, channels)`` uint8.
            labels: ``(count,)``, the classes that a conditional model was asked for.

        Returns:
            Name → ``value``, ``low``, ``high``, ``floor`` and ``protocol``.
        """
        if self._classifier is None:
            return self.nearest(samples)
        features, probabilities = self._classifier(samples)
        scores = {
            name: self._entry(
                estimate,
                self._pair_floor[name],
                _TRAIN_AGAINST_TEST,
                real=self._pairs,
                samples=self._pairs,
                **self._features,
                **_PAIR_PROTOCOLS[name],
            )
            for name, estimate in self._compare(features[: self._pairs]).items()
        }
        scores |= self.classes(probabilities)
        if labels is not None:
            scores["agreement"] = self._agreement(probabilities, labels)
        return scores | self.nearest(samples)

    def nearest(self, samples: NDArray[np.uint8]) -> Scores:
        """How near samples come to training images, beside how near test images come."""
        found, test = nearest_distances(samples[: self._near], self._train), self._test_distances
        edge = _first_percentile(test)
        statistics: dict[str, tuple[Callable[[NDArray[Any]], Any], str]] = {
            "nearest_median": (np.median, "median"),
            "nearest_p01": (_first_percentile, "1st percentile"),
            "nearest_share": (
                lambda distances: np.mean(distances < edge),
                "share below the test images' 1st percentile",
            ),
        }
        return {
            name: self._entry(
                intervals.statistic(found, of, self.seed),
                intervals.statistic(test, of, self.seed),
                _TEST_IMAGES,
                real=len(test),
                samples=len(found),
                measure=f"{words} of the RMS pixel distance to the nearest of all training images",
                training_images=len(self._train),
                bootstrap=intervals.IMAGES_BOOTSTRAP,
            )
            for name, (of, words) in statistics.items()
        }

    def classes(self, probabilities: NDArray[Any]) -> Scores:
        """What the classifier makes of images: their classes, and how unsure it is of them."""
        return {
            name: self._entry(
                estimate,
                self._class_floor[name],
                _TEST_IMAGES,
                real=self._pairs,
                samples=len(probabilities),
                measure=_CLASS_MEASURES[name],
                bootstrap=intervals.IMAGES_BOOTSTRAP,
                **self._features,
            )
            for name, estimate in self._classify(probabilities).items()
        }

    def unsure(self, images: NDArray[np.uint8]) -> Scores:
        """How unsure the classifier is of images, such as those that latent holes decode to."""
        if self._classifier is None:
            return {}
        scores = self.classes(self._classifier(images)[1])
        return {name: scores[name] for name in ("entropy", "unsure")}

    def _chosen(self, images: Images) -> NDArray[np.intp]:
        random = np.random.Generator(np.random.Philox(key=self.seed))
        return np.sort(random.permutation(len(images))[: self._pairs])

    def _compare(self, features: NDArray[Any]) -> dict[str, Estimate]:
        real = self._test_features
        return {
            "frechet": frechet.frechet(real, features, self.seed),
            "kid": frechet.kernel_distance(real, features, self.seed),
            **manifold_scores(real, features, self.seed),
        }

    def _classify(self, probabilities: NDArray[Any]) -> dict[str, Estimate]:
        values = np.asarray(probabilities, np.float64)
        entropy = -np.sum(values * np.log(np.maximum(values, 1e-30)), axis=1)
        shares = np.eye(values.shape[1])[values.argmax(axis=1)]
        unsure = values.max(axis=1) < UNSURE_BELOW
        found = {"entropy": entropy, "unsure": unsure, "class_shares": shares}
        return {name: intervals.mean(each, self.seed) for name, each in found.items()}

    def _agreement(self, probabilities: NDArray[Any], labels: NDArray[Any]) -> dict[str, Any]:
        return self._entry(
            intervals.mean(probabilities.argmax(axis=1) == labels, self.seed),
            intervals.mean(self._test_agrees, self.seed),
            "the real test images and their labels",
            real=self._pairs,
            samples=len(labels),
            measure="share of samples that the classifier takes for the class asked for",
            bootstrap=intervals.IMAGES_BOOTSTRAP,
            **self._features,
        )

    def _entry(
        self, estimate: Estimate, floor: Estimate, floor_words: str, **protocol: Any
    ) -> dict[str, Any]:
        whole = {**self._common, **protocol, "floor": floor_words}
        return {**estimate.to_dict(), "floor": floor.to_dict(), "protocol": whole}


def _first_percentile(distances: NDArray[Any]) -> Any:
    return np.quantile(distances, 0.01)


_CLASS_MEASURES = {
    "entropy": "mean entropy of the classifier's probabilities, in nats",
    "unsure": f"share of images whose likeliest class has a probability below {UNSURE_BELOW}",
    "class_shares": "share of images that the classifier takes for each class",
}
_OF_SAMPLES, _OF_REAL = (
    _BOOTSTRAP.format(intervals.RESAMPLES, f"the {side} alone, balls as they are")
    for side in ("samples", "real images")
)
_PAIR_PROTOCOLS: dict[str, dict[str, Any]] = {
    "frechet": {
        "measure": "squared Fréchet distance between Gaussians of the features",
        "bootstrap": f"spread of {frechet.RESAMPLES} resamples of both sides around the value, 95%",
    },
    "kid": {
        "measure": f"unbiased squared MMD, kernel (x·y/{FEATURES} + 1)³, all pairs",
        "bootstrap": _BOOTSTRAP.format(frechet.RESAMPLES, "both sides, pairs of one image out"),
    },
    "precision": {
        "measure": "share of samples in a real image's ball (Kynkäänniemi 2019)",
        "k": PRECISION_NEIGHBOURS,
        "bootstrap": _OF_SAMPLES,
    },
    "recall": {
        "measure": "share of real images in a sample's ball (Kynkäänniemi 2019)",
        "k": PRECISION_NEIGHBOURS,
        "bootstrap": _OF_REAL,
    },
    "density": {
        "measure": "real balls a sample lies in, divided by k (Naeem 2020)",
        "k": DENSITY_NEIGHBOURS,
        "bootstrap": _OF_SAMPLES,
    },
    "coverage": {
        "measure": "share of real balls with a sample (Naeem 2020)",
        "k": DENSITY_NEIGHBOURS,
        "bootstrap": _OF_REAL,
    },
}
