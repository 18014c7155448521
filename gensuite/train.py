"""``python -m gensuite.train``: train a model on a data set, or go on with a run."""

import argparse
import dataclasses
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensuite.config import (
    CONFIGS,
    DEFAULT_FAMILY,
    TrainingConfig,
    absolute_dataset,
    absolute_path,
    load_config,
    read_config_file,
)
from gensuite.console import Parser, command, quiet_start
from gensuite.errors import ConfigError
from gensuite.settings import field_type, parse_setting

if TYPE_CHECKING:
    from gensuite.data.splits import ImageData
    from gensuite.models import GenerativeModel
    from gensuite.training.runs import Run

_OWN_FLAGS = ("model", "run_dir", "config", "resume")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line: our own flags, and one flag per setting of any family."""
    parser = Parser("python -m gensuite.train", "Train an AE, a VAE or a GAN.")
    parser.add_argument("--model", help=f"{', '.join(CONFIGS)} (default: {DEFAULT_FAMILY})")
    parser.add_argument(
        "--run-dir", type=Path, help="the run's folder, new (default: runs/MODEL-DATASET)"
    )
    parser.add_argument("--config", help="JSON file of settings; flags go before it")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with a run; only --epochs may be raised"
    )
    for name, (families, config) in _settings().items():
        field = config.__dataclass_fields__[name]
        only = "" if len(families) == len(CONFIGS) else f" ({', '.join(families)} only)"
        flag = f"--{name.replace('_', '-')}"
        text = f"{field.metadata['doc']}{only}{_default_text(name, families)}".replace("%", "%%")
        if field_type(config, name) is bool:
            parser.add_argument(flag, action="store_true", default=None, help=text)
        else:
            parser.add_argument(flag, metavar=_metavar(field), help=text)
    return parser.parse_args(argv)


def make_config(args: argparse.Namespace) -> TrainingConfig:
    """The settings of a new run: defaults, then ``--config``, then flags.

    Raises:
        ConfigError: a value is not allowed.
    """
    values: dict[str, Any] = {} if args.config is None else read_config_file(args.config)
    if args.model is not None:
        values["model"] = args.model
    family = str(values.get("model", DEFAULT_FAMILY))
    for name, value in _given(args).items():
        # A family that does not have the setting says so in load_config.
        config = CONFIGS.get(family, TrainingConfig)
        known = isinstance(value, str) and name in config.__dataclass_fields__
        values[name] = parse_setting(config, name, value) if known else value
    checked = load_config(values)
    # A run must find its data again when it is resumed from another folder.
    places: dict[str, Any] = {
        name: absolute_path(place)
        for name in ("data_dir", "raw_dir")
        if (place := getattr(checked, name))
    }
    return dataclasses.replace(checked, dataset=absolute_dataset(checked.dataset), **places)


def run(args: argparse.Namespace) -> int:
    """Train; 0 when done, 130 or 143 when asked to stop."""
    # Until training itself begins there is nothing to save: end at once, with the code of a stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts what it sends to the background with Ctrl-C ignored; `kill -INT` should do.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return _resume(args) if args.resume else _begin(args)


def _begin(args: argparse.Namespace) -> int:
    """Train in a new run, whose folder is made once nothing can be refused any more."""
    config = make_config(args)
    from gensuite.data.catalogue import find_builder
    from gensuite.training.runs import RUNS, Run, check_disk, check_free

    if args.run_dir:
        check_free(args.run_dir)
    model, data, device = _load(config, find_builder(config))
    from gensuite.training.state import checkpoint_bytes

    check_disk(args.run_dir or RUNS, checkpoint_bytes(model) * (config.keep + 1))
    with closing(Run.create(config, args.run_dir)) as run_:
        run_.write_record(data.describe(), device)
        print(f"run: {run_.path}")
        return _train(run_, model, data)


def _resume(args: argparse.Namespace) -> int:
    """Go on with an earlier run."""
    from gensuite.data.catalogue import find_builder

    with closing(_open_run(args)) as run_:
        model, data, device = _load(run_.config, find_builder(run_.config))
        facts = data.describe()
        run_.check_data(facts)
        for change in run_.changes(facts, device):
            print(f"changed since the run began, weights may differ: {change}", file=sys.stderr)
        return _train(run_, model, data, resumed=True)


def _open_run(args: argparse.Namespace) -> "Run":
    from gensuite.training.runs import Run

    run_ = Run.open(args.resume)
    given = {name for name in _OWN_FLAGS if getattr(args, name) is not None} | _given(args).keys()
    if extra := sorted(given - {"resume", "epochs"}):
        raise ConfigError(f"--resume takes all settings from the run but --epochs; drop {extra}")
    if args.epochs is not None:
        epochs = parse_setting(TrainingConfig, "epochs", args.epochs)
        if epochs <= run_.config.epochs:
            raise ConfigError(
                f"epochs: {epochs} given; --resume allows more than the run's {run_.config.epochs}"
            )
        if run_.config.decay:
            raise ConfigError(
                f"epochs: {epochs} given; the learning rate of this run falls to 0 by epoch "
                f"{run_.config.epochs} (decay {run_.config.decay:g}); train anew for more"
            )
        run_.config = dataclasses.replace(run_.config, epochs=epochs)
    run_.lock()
    return run_


def _load(config: TrainingConfig, builder: Any) -> tuple["GenerativeModel", "ImageData", str]:
    """The untrained model, the data and the device."""
    with quiet_start():
        from gensuite.models import build_model
        from gensuite.training import devices

        device = devices.prepare(deterministic=config.deterministic)
    from gensuite.data.splits import read_splits

    data = read_splits(builder, config)
    counts = ", ".join(f"{len(images)} {split}" for split, images in data.images.items())
    print(f"data: {data.name}, {counts}; {data.resized}; in memory as bytes")
    steps_per_epoch = len(data.images["train"]) // config.batch_size
    _check_against(data, steps_per_epoch, config)
    model = build_model(
        config,
        data.image_shape,
        steps_per_epoch=steps_per_epoch,
        classes=len(data.class_names),
    )
    print(f"model: {config.family}, {model.count_params():,} weights, on {device}")
    return model, data, device


def _check_against(data: "ImageData", steps_per_epoch: int, config: TrainingConfig) -> None:
    """See that settings fit the data: a label for every image, and steps enough in an epoch."""
    labelled = data.class_names and all((labels >= 0).all() for labels in data.labels.values())
    if getattr(config, "conditional", False) and not labelled:
        raise ConfigError(
            f"conditional: given, but {data.name} does not have a label for every image; "
            "train without it, or sort a folder's images into one folder per class"
        )
    if (wanted := getattr(config, "discriminator_steps", 1)) > steps_per_epoch:
        raise ConfigError(
            f"discriminator_steps: {wanted} given, but an epoch has {steps_per_epoch} steps; "
            "allowed is at most that, so that the generator learns in every epoch"
        )


def _train(
    run_: "Run", model: "GenerativeModel", data: "ImageData", *, resumed: bool = False
) -> int:
    from gensuite.training.encodings import encode_splits
    from gensuite.training.loop import Trainer
    from gensuite.training.signals import StopRequest
    from gensuite.training.state import load_model

    trainer = Trainer(run_, model, data)
    if resumed:
        trainer.restore()
        if not trainer.done:
            run_.drop_results()
            run_.write_config()
        elif trainer.progress.stopped_early:
            print("it stopped early, as --patience asked; more epochs change nothing")
        print(f"going on from step {trainer.step} of {run_.path}")
    with StopRequest() as stop:
        trainer.fit(stop)
        if trainer.done:
            load_model(run_, model)
            run_.write_encodings(encode_splits(model, data))
    if not trainer.done:
        print(f"saved at step {trainer.step}; go on: python -m gensuite.train --resume {run_.path}")
        return stop.exit_code
    if trainer.progress.best_epoch:
        best = trainer.progress
        print(f"best validation loss {best.best_loss:.4f} in epoch {best.best_epoch}")
    print(f"done; export: python -m export {run_.path}")
    return 0


def _settings() -> dict[str, tuple[list[str], type[TrainingConfig]]]:
    """Setting → the families that have it, and the class of one of them."""
    found: dict[str, tuple[list[str], type[TrainingConfig]]] = {}
    for family, config in CONFIGS.items():
        for field in dataclasses.fields(config):
            found.setdefault(field.name, ([], config))[0].append(family)
    return found


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line names, as text (flags without a value: true)."""
    return {
        name: value
        for name, value in vars(args).items()
        if name not in _OWN_FLAGS and value is not None
    }


def _default_text(name: str, families: list[str]) -> str:
    defaults = {f: CONFIGS[f].__dataclass_fields__[name].default for f in families}
    if set(defaults.values()) <= {None, False}:
        return ""
    if len(set(defaults.values())) == 1:
        return f" (default: {next(iter(defaults.values()))})"
    return f" (default: {', '.join(f'{value} for {f}' for f, value in defaults.items())})"


def _metavar(field: dataclasses.Field) -> str:
    choices = field.metadata["choices"]
    return "|".join(map(str, choices)) if choices else field.name.upper()


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    return run(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
