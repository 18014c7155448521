"""What all ways share is written down once: start, data, first batches."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trainers.rows import ROWS
from gensuite.config import TrainingConfig, load_config
from gensuite.data.reading import open_dataset
from gensuite.data.splits import SPLITS, ImageData
from gensuite.models import GenerativeModel, build_model

FIRST_STEPS = 5


def prepare(name: str, folder: Path, dataset: str, raw_dir: Path | None) -> None:
    """Write what :class:`benchmarks.trainers.task.Task` reads.

    Args:
        name: of the row.
        folder: gets the images, and a folder for the row.
        dataset: its name.
        raw_dir: folder of downloaded files, one folder for each data set.
    """
    row = ROWS[name]
    config = load_config(
        {
            "model": row.family,
            "network": row.network,
            "dataset": dataset,
            "raw_dir": str(raw_dir / dataset) if raw_dir else None,
            "epochs": 100_000,
            "save_seconds": 86_400,
        }
    )
    data = open_dataset(config)
    model = build_model(config, data.image_shape)
    (folder / name).mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        np.save(folder / f"{split}.npy", data.images[split][:])
    for network in model.network_names:
        weights = getattr(model, network).get_weights()
        named = {f"{index}": weight for index, weight in enumerate(weights)}
        np.savez(folder / name / f"{network}.npz", **named)
    np.savez(folder / name / "first.npz", **first_batches(config, data, model))
    settings = {
        "run": config.to_dict(),
        "side": data.image_shape[0],
        "beta_1": model.optimizer.beta_1,
        "epsilon": model.optimizer.epsilon,
    }
    (folder / name / "settings.json").write_text(json.dumps(settings))


def first_batches(
    config: TrainingConfig, data: ImageData, model: GenerativeModel
) -> dict[str, Any]:
    """The images, as bytes, and the noise of the first steps of a run."""
    batches = data.training_batches(config.batch_size, config.seed).take(FIRST_STEPS)
    draws = {"ae": 0, "vae": 1, "gan": 2}[config.family]
    noise = []
    for step in range(FIRST_STEPS):
        model.step.assign(step)
        noise.append(model.training_noise(config.batch_size, draws=max(draws, 1)).numpy()[:draws])
    return {"images": np.stack(list(batches.as_numpy_iterator())), "noise": np.stack(noise)}
