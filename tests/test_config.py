"""Settings: checked when made, JSON both ways, every refusal names value and limits."""

import dataclasses
import json

import pytest

from gensuite.config import (
    CONFIGS,
    GANConfig,
    VAEConfig,
    load_config,
    read_config_file,
)
from gensuite.errors import ConfigError, GensuiteError
from gensuite.settings import parse_setting


@pytest.mark.parametrize("family", CONFIGS)
def test_defaults_are_allowed_and_survive_json(family):
    config = CONFIGS[family]()

    assert config == load_config(json.loads(json.dumps(config.to_dict())))


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("latent_dim", 0, "from 1 to 512"),
        ("latent_dim", True, "whole number"),
        ("latent_dim", 2.0, "whole number"),
        ("image_size", 30, "multiple of 4 from 8 to 128"),
        ("image_size", 4, "multiple of 4 from 8 to 128"),
        ("image_size", 132, "multiple of 4 from 8 to 128"),
        ("channels", 2, "1 or 3"),
        ("network", "transformer", "conv or dense"),
        ("learning_rate", float("nan"), "a number"),
        ("learning_rate", 0.0, "a number"),
        ("seed", -1, "from 0 to 4294967295"),
        ("seed", 2**32, "from 0 to 4294967295"),
        ("epochs", "10", "whole number"),
        ("dataset", "", "text"),
        ("dataset", "a\nb", "text"),
        ("beta", -0.5, "from 0.0 to 1000.0"),
        ("likelihood", "poisson", "bernoulli or gaussian"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(key, value, allowed):
    with pytest.raises(ConfigError, match=f"^{key}: ") as caught:
        load_config({"model": "vae", key: value})

    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)
    assert isinstance(caught.value, GensuiteError)
    assert isinstance(caught.value, ValueError)


def test_a_warmup_must_leave_epochs_at_the_full_weight():
    assert VAEConfig(kl_warmup=19, epochs=20).kl_warmup == 19
    for epochs in (20, 7):
        with pytest.raises(ConfigError, match=f"kl_warmup: 20 given .* from 0 to {epochs - 1}"):
            VAEConfig(kl_warmup=20, epochs=epochs)


def test_an_unknown_key_is_answered_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        load_config({"model": "ae", "epohcs": 3})


def test_a_setting_of_another_family_is_refused():
    with pytest.raises(ConfigError, match="beta: gan has no such setting"):
        load_config({"model": "gan", "beta": 2.0})


@pytest.mark.parametrize("family", ["dcgan", "", None, 3, ["vae"]])
def test_an_unknown_family_is_answered_with_the_list(family):
    with pytest.raises(ConfigError, match="allowed are ae, vae, gan"):
        load_config({"model": family})


def test_text_becomes_the_type_of_its_setting():
    assert parse_setting(VAEConfig, "epochs", "7") == 7
    assert parse_setting(VAEConfig, "beta", "0.5") == 0.5
    assert parse_setting(VAEConfig, "image_size", "32") == 32
    with pytest.raises(ConfigError, match=r"epochs: '7\.5' given; allowed is a whole number"):
        parse_setting(VAEConfig, "epochs", "7.5")


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GANConfig().epochs = 3


def test_what_a_bundle_tells_holds_no_path():
    config = VAEConfig(dataset="folder:/home/somebody/cats", data_dir="/data", raw_dir="/raw")
    public = config.public_dict()

    assert public["dataset"] == "folder:cats"
    assert "/" not in json.dumps(public)
    assert not public.keys() & {"data_dir", "raw_dir", "memory_limit", "keep", "save_seconds"}


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 1} x', "[" * 100_000])
def test_a_file_that_is_not_one_json_object_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content)

    with pytest.raises(ConfigError, match="--config"):
        read_config_file(path)


def test_every_setting_says_what_it_is():
    for config in CONFIGS.values():
        for field in dataclasses.fields(config):
            assert field.metadata["doc"]
