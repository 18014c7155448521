"""From the name of a data set to a tfds builder whose data lie on this disk, or a clear refusal."""

import contextlib
import hashlib
import logging
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
import tensorflow_datasets as tfds

from gensuite.config import FOLDER_PREFIX, TrainingConfig, absolute_path, dataset_label
from gensuite.console import quiet_start
from gensuite.data.builders import Digits, ImageFolder, scan_folder
from gensuite.data.shapes import Shapes64, Shapes128
from gensuite.errors import DataError
from gensuite.settings import suggestion

OFFLINE = {"digits": Digits, "shapes64": Shapes64, "shapes128": Shapes128}
"""Builders of our own, which need no network."""
LICENCES = {
    "digits": "CC BY 4.0 (UCI; Alpaydin & Kaynak)",
    "shapes64": "Apache-2.0 (drawn by gensuite)",
    "shapes128": "Apache-2.0 (drawn by gensuite)",
    "mnist": "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes, from NIST)",
    "fashion_mnist": "MIT (Zalando SE)",
    "kmnist": "CC BY-SA 4.0 (CODH)",
    "cifar10": "not stated by its authors (Alex Krizhevsky)",
}
KNOWN = tuple(LICENCES)
_PROBE_SECONDS = 5.0
# What a proxy or a gateway answers when it cannot reach the host itself.
_UNREACHABLE = (407, 502, 503, 504)

# tfds warns of a folder that is not prepared, which is what we look for and answer ourselves.
logging.getLogger("absl").setLevel(logging.ERROR)


def find_builder(config: TrainingConfig) -> tfds.core.DatasetBuilder:
    """Find a data set's builder and see that its data are prepared.

    Args:
        config: ``dataset`` names it; ``data_dir`` holds prepared data sets (tfds's own folder
            when not given); ``raw_dir`` holds files to prepare it from.

    Raises:
        DataError: no such data set, or it is neither prepared, nor in ``raw_dir``, nor to be had
            from the network.
    """
    data_dir = Path(config.data_dir) if config.data_dir else None
    builder = _builder(config, data_dir)
    if builder.is_prepared():
        return builder
    if isinstance(builder, (*OFFLINE.values(), ImageFolder)):
        _prepare(builder)
    elif config.raw_dir:
        _prepare_from(builder, Path(config.raw_dir))
    else:
        _look_for_network(builder)
        _prepare(builder)
    return builder


def licence(builder: tfds.core.DatasetBuilder) -> str:
    """The licence of a data set's images, as far as it is known."""
    if isinstance(builder, ImageFolder):
        return "the user's own images"
    return LICENCES.get(builder.name, "see the tensorflow-datasets catalogue")


def _builder(config: TrainingConfig, data_dir: Path | None) -> tfds.core.DatasetBuilder:
    name = config.dataset
    if name in OFFLINE:
        return OFFLINE[name](data_dir=data_dir)
    if name.startswith(FOLDER_PREFIX):
        root = Path(absolute_path(name.removeprefix(FOLDER_PREFIX)))
        scan = scan_folder(root, config.channels)
        if scan.converted:
            kind = "grey" if scan.channels == 1 else "colour"
            print(
                f"{dataset_label(name)}: {scan.converted} of {len(scan.files)} images made {kind}"
            )
        return ImageFolder(scan=scan, data_dir=data_dir)
    try:
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except Exception:  # tfds answers each kind of bad name with another kind of error
        # tfds's own message is its whole catalogue.
        raise DataError(
            f"dataset: {name!r} given; {suggestion(name, list(KNOWN))}allowed are "
            f"{', '.join(KNOWN)}, any other tensorflow-datasets name, and folder:PATH"
        ) from None
    if not name.startswith(builder.name):
        raise DataError(f"dataset: {name!r} given; its name is written {builder.name!r}")
    return builder


def _prepare(builder: tfds.core.DatasetBuilder, **options) -> None:
    with quiet_start():
        import tensorflow as tf

        # What it says at its start and at its first look for devices would run into tfds's bars.
        tf.config.list_physical_devices()
    try:
        builder.download_and_prepare(**options)
    except DataError:
        raise
    except Exception as error:  # tfds and what it calls raise whatever they like
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{builder.name}: cannot be prepared: {reason}") from error


def _prepare_from(builder: tfds.core.DatasetBuilder, raw_dir: Path) -> None:
    """Prepare from the user's files, through tfds's own reader and checksums, without network."""
    for url, info in builder.url_infos.items():
        path = raw_dir / (info.filename or Path(urlsplit(str(url)).path).name)
        if not path.is_file():
            raise DataError(f"--raw-dir {raw_dir}: {builder.name} needs {path.name}, not there")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != info.checksum:
            raise DataError(
                f"--raw-dir {raw_dir}: {path.name} is not {builder.name}'s: its sha256 is "
                f"{digest}, not {info.checksum}; download it again"
            )
    # One scratch folder per data set: tfds names an extracted file by its file name alone, so a
    # shared one would hand MNIST's images to Fashion-MNIST.
    with tempfile.TemporaryDirectory(prefix=f"gensuite-{builder.name}-") as scratch:
        _prepare(
            builder,
            download_dir=scratch,
            download_config=tfds.download.DownloadConfig(
                manual_dir=raw_dir.resolve(),
                extract_dir=Path(scratch, "extracted"),
                force_checksums_validation=True,
            ),
        )


def _look_for_network(builder: tfds.core.DatasetBuilder) -> None:
    """Refuse within seconds where tfds would hang for minutes."""
    urls = [str(url) for url in builder.url_infos]
    silent = _silent_hosts({urlsplit(url).netloc: url for url in urls})
    if not silent:
        return
    files = sorted({Path(urlsplit(url).path).name for url in urls})
    raise DataError(
        f"{builder.name}: not prepared in {builder.data_dir}, and {silent[0]} does not answer; "
        f"either connect to a network, or give --raw-dir with the downloaded files "
        f"({', '.join(files)}), or give --data-dir with a folder where it has been prepared"
    )


def _silent_hosts(hosts: dict[str, str]) -> list[str]:
    """Ask all hosts (name → a URL of theirs) at once; those that have not answered in time."""
    answered: set[str] = set()

    def ask(host: str, url: str) -> None:
        # Any answer of the host's own will do: a refusal is tfds's to report.
        with contextlib.suppress(requests.RequestException):
            if requests.head(url, timeout=_PROBE_SECONDS).status_code not in _UNREACHABLE:
                answered.add(host)

    # Threads, because no time-out of requests covers the look-up of a host's name.
    threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in hosts.items()]
    deadline = time.monotonic() + _PROBE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [host for host in hosts if host not in answered]
