"""The model card: a bundle's README.md, written from its manifest's facts."""

from collections.abc import Mapping, Sequence
from typing import Any

from export import parity
from gensuite.inference.manifest import ENCODER_OUTPUTS, LIMITS
from gensuite.scores import groups, protocol_sentences, rows
from gensuite.training.doctor import Remark

_TITLES = {
    "ae": "Autoencoder",
    "vae": "Variational autoencoder",
    "gan": "Generative adversarial network",
}
_PRIORS = {
    "standard": "N(0, I)",
    "gaussian": "the Gaussian of its training codes (mean and covariance in the manifest)",
}
_PIPELINE = "pipeline_tag: unconditional-image-generation\n"
_FITTED = """
`prior="fitted"` draws the codes from a mixture of Gaussians fitted to its training codes instead.
"""


def model_card(facts: Mapping[str, Any], remarks: Sequence[Remark]) -> str:
    """Write the card from the manifest's sections and the doctor's remarks."""
    image, latent, dataset = facts["image"], facts["latent"], facts["dataset"]
    shape = f"{image['height']}×{image['width']}×{image['channels']}"
    return f"""---
library_name: onnx
{_PIPELINE if not latent["classes"] else ""}tags: [gensuite, {facts["family"]}, onnx]
datasets: [{dataset["name"]}]
---

# {_TITLES[facts["family"]]} of {dataset["name"]}

![64 samples, seed 0](preview.png)

Images of {shape} from latent codes of {latent["size"]} numbers, drawn from
{_PRIORS[latent["prior"]]}.

```python
import gensuite

generator = gensuite.load("artifacts/{facts["name"]}")
images = generator.sample(16, seed=7)  # (16, {", ".join(shape.split("×"))}) float32 in [0, 1]
```
{_FITTED if facts["family"] in ENCODER_OUTPUTS else ""}{_classes(latent["classes"])}
## Data

{dataset["name"]} {dataset["version"]}: {_counts(dataset)}; {dataset["preparation"]}.
Licence of the images: {dataset["licence"]}. A generative model can repeat images it was trained on.

## Training

Seed {facts["seed"]}. Settings:

{_table(("setting", "value"), facts["training"]["config"].items())}

{_extent(facts["training"])}

{_doctor(facts["training"], remarks)}

## Scores

{_scores(facts)}

## Latent health

{_health(facts)}

## Parity

Keras, SavedModel and ONNX on the same inputs at batch {", ".join(map(str, parity.BATCHES))}:

{_table(("port", "largest difference", "allowed"), _parity_rows(facts["parity"]))}

An encoder's difference is divided by 1 + |value|. On any machine, this checks every hash and
runs stored inputs again, to 1e-4:

```sh
python -m gensuite.verify artifacts/{facts["name"]}
```

## Made with

{", ".join(f"{tool} {version}" for tool, version in sorted(facts["tools"].items()))}.
"""


def _classes(count: int) -> str:
    if not count:
        return ""
    return f"""
It was trained with labels, 0 to {count - 1}: `generator.sample(16, seed=7, label=3)` draws class 3;
without `label`, classes are drawn by their share of the training images.
"""


def _counts(dataset: Mapping[str, Any]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in dataset["counts"].items())


def _extent(training: Mapping[str, Any]) -> str:
    if "epochs" not in training:
        return "Trained outside of gensuite's own loop."
    text = f"{training['epochs']} epochs"
    if "best_epoch" in training:
        text += f"; the weights are those of epoch {training['best_epoch']}, "
        text += "which had the lowest validation loss"
    return f"{text}."


def _scores(facts: Mapping[str, Any]) -> str:
    scores = facts.get("scores")
    if not scores:
        return "Not measured."
    parts = []
    for title, group in groups(scores):
        parts.append(_table((title, "score", "95% interval", "floor"), rows(group)))
    parts += [
        f"Not measured: {what}: {why}." for what, why in scores.get("not_measured", {}).items()
    ]
    sentences = "\n".join(f"- {sentence}" for sentence in protocol_sentences(scores))
    return "\n\n".join(
        [
            *parts,
            "The floor is what real images get in the samples' place. This measures again what a "
            "bundle can tell; a likelihood is measured on the run, with the images and importance "
            "samples that stand below as `--images` and `--importance-samples`:",
            f"```sh\npython -m gensuite.evaluate artifacts/{facts['name']}\n```",
            f"How each was measured:\n\n{sentences}",
        ]
    )


def _health(facts: Mapping[str, Any]) -> str:
    if facts["family"] not in ENCODER_OUTPUTS:
        return "Not measured: a GAN has no encoder, so no image has a code."
    if "health" not in facts:
        return "Not measured: it needs 20 test images with codes that differ."
    health = facts["health"]
    sentences = [health[limit]["sentence"] for limit in LIMITS]
    if "holes" in facts.get("scores", {}):
        sentences.append(_holes(facts["scores"]["holes"]))
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    protocol = health["protocol"]
    return f"""Of {protocol["codes"]:,} test images ({protocol["drawn"]}), seed {protocol["seed"]}.
Of the numbers in bold, lower is better.

{listed}

{_table(("number", "value", "95% interval", "N(0, I) draws"), _health_rows(health))}

Measured again, and explained in the suite's docs/latent-health.md:

```sh
python -m gensuite.info artifacts/{facts["name"]} --health
```"""


def _holes(scores: Mapping[str, Any]) -> str:
    unsure, entropy = scores["unsure"], scores["entropy"]
    low, high = unsure["low"], unsure["high"]
    return (
        f"What holes decode to: the classifier is unsure of {unsure['value']:.1%} of it "
        f"({low:.1%} to {high:.1%}), and of {unsure['floor']['value']:.1%} of real test images. "
        f"Its mean entropy is {entropy['value']:.3g} nats, and {entropy['floor']['value']:.3g} for "
        "real ones."
    )


def _health_rows(health: Mapping[str, Any]):
    for limit in LIMITS:
        numbers = {"": health[limit]["headline"]} | health[limit]["details"]
        for name, number in numbers.items():
            if number is None:
                continue
            what = f"{limit}: {name}" if name else f"**{limit}**"
            ranges = (number["interval"], number["band"])
            yield (
                what.replace("_", " "),
                f"{number['value']:.3g}",
                *(f"{low:.3g} to {high:.3g}" for low, high in ranges),
            )


def _doctor(training: Mapping[str, Any], remarks: Sequence[Remark]) -> str:
    if "epochs" not in training:
        return "The doctor has not seen this training."
    if not remarks:
        return "The doctor: no remarks."
    return "\n".join(f"The doctor: {remark}." for remark in remarks)


def _parity_rows(evidence: Mapping[str, Any]):
    for what, found in parity.largest(evidence).items():
        yield what, f"{found:.2g}", f"{parity.tolerance(what.split()[1]):g}"


def _table(head, rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
