"""``python -m gensuite.train``: train a model on a data set, or go on with a run."""

import argparse
import dataclasses
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gensuite.config import (
    CONFIGS,
    DEFAULT_FAMILY,
    TrainingConfig,
    load_config,
    read_config_file,
    with_absolute_paths,
)
from gensuite.console import Parser, command, quiet_start
from gensuite.errors import ConfigError, RunNotFoundError
from gensuite.settings import field_type, parse_setting

if TYPE_CHECKING:
    from gensuite.data.splits import ImageData
    from gensuite.models import GenerativeModel
    from gensuite.training.loop import Trainer
    from gensuite.training.runs import Run
    from gensuite.training.workers import Workers

_OWN_FLAGS = ("model", "run_dir", "config", "resume", "distribute")


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
    parser.add_argument(
        "--distribute",
        choices=("mirrored", "multiworker"),
        help="share each batch among all GPUs of this machine (mirrored), or among the machines "
        "that TF_CONFIG names (multiworker); --resume may choose anew",
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
    return with_absolute_paths(load_config(values))


def run(args: argparse.Namespace) -> int:
    """Train; 0 when done, 130 or 143 when asked to stop."""
    # Until training itself begins there is nothing to save: end at once, with the code of a stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts what it sends to the background with Ctrl-C ignored; `kill -INT` should do.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = None if args.resume else make_config(args)
    with _meet(args.distribute) as workers, _own_folder(args, workers) as folder:
        if config is None:
            with (
                closing(_open_run(args, folder)) as run_,
                resume(run_, args.distribute, workers) as trainer,
            ):
                if trainer.progress.stopped_early:
                    print("it stopped early, as --patience asked; more epochs change nothing")
                print(f"going on from step {trainer.step} of {run_.path}")
                return _train(trainer)
        with begin(config, folder, args.distribute, workers) as trainer:
            print(f"run: {trainer.run.path}")
            return _train(trainer)


def _meet(distribute: str | None) -> "Workers":
    from gensuite.training import workers

    if distribute != "multiworker":
        return workers.Workers()
    return workers.meet(workers.read_cluster(os.environ.get("TF_CONFIG")))


@contextmanager
def _own_folder(args: argparse.Namespace, workers: "Workers") -> Iterator[Any]:
    """The run's folder for the chief; for others one of their own, which goes when they do.

    Each of them computes the whole run and writes it, so that the training itself need not know
    which of them is the chief.
    """
    if workers.chief:
        yield args.resume or args.run_dir
        return
    print(f"worker {workers.cluster.index}: worker 0 keeps the run and says how it goes")
    with (
        TemporaryDirectory(prefix="gensuite-worker-", ignore_cleanup_errors=True) as scratch,
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
    ):
        folder = Path(scratch, "run")
        if args.resume:
            if not args.resume.is_dir():
                raise RunNotFoundError(
                    f"{args.resume}: not here; every worker of --resume must see the run's folder"
                )
            shutil.copytree(
                args.resume, folder, ignore=shutil.ignore_patterns("samples", "tensorboard")
            )
        yield folder


@contextmanager
def begin(
    config: TrainingConfig,
    path: Path | None,
    distribute: str | None = None,
    workers: "Workers | None" = None,
) -> Iterator["Trainer"]:
    """A trainer in a new run, whose folder is made once nothing can be refused any more.

    Args:
        config: its settings.
        path: the run's folder, as :meth:`Run.create` takes it.
        distribute: among what a batch is shared; see the flag.
        workers: who trains this model; just this process when not given.
    """
    from gensuite.training.runs import RUNS, Run, check_disk, check_free

    if path:
        check_free(path)
    with _loaded(config, distribute, workers) as (model, data, facts, device):
        from gensuite.training.loop import Trainer
        from gensuite.training.state import checkpoint_bytes

        check_disk(path or RUNS, checkpoint_bytes(model) * (config.keep + 1))
        with closing(Run.create(config, path)) as run_:
            run_.write_record(facts, device)
            yield Trainer(run_, model, data, workers)


@contextmanager
def resume(
    run_: "Run", distribute: str | None = None, workers: "Workers | None" = None
) -> Iterator["Trainer"]:
    """A trainer that goes on with an earlier run, which is open and locked; as :func:`begin`."""
    with _loaded(run_.config, distribute, workers) as (model, data, facts, device):
        run_.check_data(facts)
        for change in run_.changes(facts, device):
            print(f"changed since the run began, weights may differ: {change}", file=sys.stderr)
        from gensuite.training.loop import Trainer

        trainer = Trainer(run_, model, data, workers)
        trainer.restore()
        if not trainer.done:
            run_.drop_results()
            run_.write_config()
        yield trainer


def finish(trainer: "Trainer") -> None:
    """Leave in the run, once training is done, what export takes: the codes of its best weights."""
    from gensuite.training.encodings import encode_splits
    from gensuite.training.state import load_model

    load_model(trainer.run, trainer.model)
    trainer.run.write_encodings(encode_splits(trainer.model, trainer.data))


def _open_run(args: argparse.Namespace, folder: Path) -> "Run":
    from gensuite.training.runs import Run

    run_ = Run.open(folder)
    given = {name for name in _OWN_FLAGS if getattr(args, name) is not None} | _given(args).keys()
    if extra := sorted(given - {"resume", "epochs", "distribute"}):
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


@contextmanager
def _loaded(
    config: TrainingConfig, distribute: str | None, workers: "Workers | None"
) -> Iterator[tuple["GenerativeModel", "ImageData", dict[str, Any], str]]:
    """The untrained model, the data, facts on them and the device, in the strategy's scope."""
    from gensuite.data.catalogue import find_builder
    from gensuite.training.cores import batch_parts, share_cores

    share_cores(1 if distribute else batch_parts(config.batch_size))
    # Before TensorFlow is loaded, so that a refusal comes soon; but TensorFlow must know of several
    # workers before it does anything else, such as prepare a data set.
    builder = find_builder(config) if distribute != "multiworker" else None
    with quiet_start():
        from gensuite.models import build_model
        from gensuite.training import devices
        from gensuite.training.distribution import make_strategy
        from gensuite.training.workers import Workers

        workers = workers or Workers()
        device = devices.prepare(deterministic=config.deterministic)
        strategy = make_strategy(distribute, config.batch_size, workers)
    if strategy.num_replicas_in_sync > 1:
        device += f", {strategy.num_replicas_in_sync} replicas"
    if builder is None:
        # Where workers share a disk, one prepares the data set and the others find it prepared.
        with workers.chief_first():
            builder = find_builder(config)
    from gensuite.data.reading import read_splits
    from gensuite.training.runs import environment

    data = read_splits(builder, config)
    counts = ", ".join(f"{len(images)} {split}" for split, images in data.images.items())
    place = "on disk" if data.on_disk else "in memory"
    print(f"data: {data.name}, {counts}; {data.resized}; {place} as bytes")
    facts = data.describe()
    same = config.public_dict() | environment(facts, "") | {"dataset": facts["sha256"]}
    workers.check_same(same)
    steps_per_epoch = len(data.images["train"]) // config.batch_size
    _check_against(data, steps_per_epoch, config)
    with strategy.scope():
        model = build_model(
            config,
            data.image_shape,
            steps_per_epoch=steps_per_epoch,
            classes=len(data.class_names),
        )
        print(f"model: {config.family}, {model.count_params():,} weights, on {device}")
        yield model, data, facts, device


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


def _train(trainer: "Trainer") -> int:
    from gensuite.training.signals import StopRequest

    path = trainer.run.path
    with StopRequest() as stop:
        trainer.fit(stop)
        if trainer.done:
            finish(trainer)
    if not trainer.done:
        print(f"saved at step {trainer.step}; go on: python -m gensuite.train --resume {path}")
        return 128 + trainer.stop_signal
    if trainer.progress.best_epoch:
        best = trainer.progress
        print(f"best validation loss {best.best_loss:.4f} in epoch {best.best_epoch}")
    print(f"done; export: python -m export {path}")
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
