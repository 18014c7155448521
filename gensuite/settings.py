"""How a setting is declared, checked and read from text: the machinery behind the configs."""

import difflib
import math
import types
from dataclasses import field
from typing import Any, get_args, get_type_hints

from gensuite.errors import ConfigError

_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    multiple: int | None = None,
    choices: tuple[Any, ...] | None = None,
    local: bool = False,
) -> Any:
    """Declare a field with its description and its limits.

    Args:
        default: value of a newcomer's run.
        doc: what it is, with its unit or shape; shown by ``--help``.
        low: smallest allowed number.
        high: largest allowed number.
        multiple: the number must be a multiple of this.
        choices: the allowed values, where they can be listed.
        local: true for what describes this machine and not the experiment, such as a path;
            left out of bundles.
    """
    limits = {"low": low, "high": high, "multiple": multiple, "choices": choices}
    return field(default=default, metadata={"doc": doc, "local": local, **limits})


def check(name: str, value: Any, hint: Any, metadata: Any) -> None:
    """See that a value is of a setting's type and within its limits.

    Raises:
        ConfigError: it is not.
    """
    kinds = get_args(hint) or (hint,)
    kind = kinds[0]
    if value is None and types.NoneType in kinds:
        return
    if kind is float and type(value) is int:
        value = float(value)
    good = type(value) is kind and (kind is not float or math.isfinite(value))
    if good and metadata["choices"]:
        good = value in metadata["choices"]
    if good and metadata["low"] is not None:
        good = metadata["low"] <= value <= metadata["high"]
    if good and metadata["multiple"]:
        good = value % metadata["multiple"] == 0
    if good and kind is str:
        good = value.strip() != "" and value.isprintable()
    if not good:
        raise _refusal(name, value, kind, metadata)


def field_type(config: type, name: str) -> type:
    """The plain type of a setting: ``int`` for ``int | None``."""
    hint: type = get_type_hints(config)[name]
    return next((t for t in get_args(hint) if t is not types.NoneType), hint)


def parse_setting(config: Any, name: str, text: str) -> Any:
    """Turn a command line's text into the value of a setting.

    Raises:
        ConfigError: the text is not of the setting's type.
    """
    kind = field_type(config, name)
    try:
        return kind(text)
    except ValueError:
        metadata = config.__dataclass_fields__[name].metadata
        raise _refusal(name, text, kind, metadata) from None


def suggestion(given: str, known: list[str]) -> str:
    """``"did you mean 'x'? "`` where a known name is close, else nothing."""
    close = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _refusal(name: str, value: Any, kind: type, metadata: Any) -> ConfigError:
    return ConfigError(f"{name}: {value!r} given; allowed is {_allowed(kind, metadata)}")


def _allowed(kind: type, metadata: Any) -> str:
    if metadata["choices"]:
        return " or ".join(str(choice) for choice in metadata["choices"])
    text = _TYPE_NAMES[kind]
    if metadata["multiple"]:
        text = f"a multiple of {metadata['multiple']}"
    if metadata["low"] is not None:
        text += f" from {metadata['low']} to {metadata['high']}"
    return text
