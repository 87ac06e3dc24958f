"""The settings of an environment: what they may be, and how mistakes are told."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import yaml

from stacks.config import Config, ConfigError, own, parse
from stacks.timing import LONGEST_SESSION_SECONDS
from tests.stacks.recording import ROOT, settings_of


def _values(environment: str = "dev", **changes: str) -> dict[str, str]:
    own = settings_of(environment, **changes)
    return {key.removeprefix("transcriber:"): value for key, value in own.items() if key.startswith("transcriber:")}


def _problems(environment: str = "dev", **changes: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(environment, _values(environment, **changes))
    return raised.value.problems


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_committed_settings_are_right(environment: str) -> None:
    config = parse(environment, _values(environment))
    assert config.protected == (environment == "prod")


def test_all_mistakes_are_told_at_once() -> None:
    assert _problems(architecture="arm", task_cpu="", min_tasks="none", max_tasks="0", taks_cpu="256") == [
        "taks_cpu: is no setting",
        "architecture: is one of arm64, x86_64",
        "task_cpu: is missing",
        "min_tasks: is a whole number",
        "max_tasks: is between 1 and 1000",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"protected": "yes"}, "protected: is true or false"),
        ({"vpc_cidr": "10.0.0.0/8"}, "vpc_cidr: is between /16 and /20"),
        ({"vpc_cidr": "10.0.0.1/16"}, "vpc_cidr: is no network: 10.0.0.1/16 has host bits set"),
        ({"vpc_cidr": "8.8.0.0/16"}, "vpc_cidr: is not private"),
        ({"zones_used": "3"}, "zones_used: is more than availability_zones"),
        ({"zones_used": "1"}, "zones_used: is 2 or more: a load balancer needs them"),
        ({"protected": "true"}, "domain: is missing: what is protected is not on plain HTTP"),
        ({"hosted_zone": "example.com"}, "hosted_zone: is there without a domain"),
        ({"domain": "a.example.org", "hosted_zone": "example.com"}, "hosted_zone: does not hold the domain"),
        ({"domain": "no domain"}, "domain: is no domain name"),
        ({"image_account": "1234"}, "image_account: is the number of an account, 12 digits in quotes"),
        ({"image_account": "١٢٣٤٥٦٧٨٩٠١٢"}, "image_account: is the number of an account, 12 digits in quotes"),
        (
            {"image_readers": "123456789012, 210987654321"},
            "image_readers: is a list of accounts, 12 digits each, with commas and in quotes",
        ),
        (
            {"redeploy": "2026-11-30 00:00:00 +0000 UTC"},
            "redeploy: is letters, digits and ._:- only, up to 64; a date is in quotes",
        ),
        ({"image_digest": "sha256:12"}, "image_digest: is sha256: and 64 hexadecimal digits"),
        (
            {"image_environment": "prod"},
            "image_digest: is missing: image_environment is another one, where nothing is built",
        ),
        (
            {"permissions_boundary": "transcriber-boundary-prod"},
            "permissions_boundary: bounds the roles of prod, and these of dev could do nothing: empty is no bound",
        ),
        ({"task_memory_mib": "4096"}, "task_memory_mib: 256 CPU units go with 512 to 2048 MiB, in steps of 1024"),
        ({"min_tasks": "3"}, "max_tasks: is less than min_tasks"),
        ({"sessions_per_task": "21"}, "sessions_per_task: is more than max_sessions"),
        (
            {"max_session_seconds": str(LONGEST_SESSION_SECONDS + 1)},
            f"max_session_seconds: is between 60 and {LONGEST_SESSION_SECONDS}",
        ),
        (
            {"nat_gateways": "none"},
            "nat_gateways: none leaves no way to OpenAI's API: single or per_az, or engine: local, or openai_base_url",
        ),
        (
            {"api_keys_parameter": "api-keys"},
            "api_keys_parameter: is the whole name of an SSM parameter, such as /transcriber/dev/x",
        ),
        (
            {"secrets_key_arn": "arn:aws:kms:us-east-1:123456789012:alias/x"},
            "secrets_key_arn: is the ARN of a key, not of an alias",
        ),
        (
            {"allowed_origins": "app.example.com"},
            "allowed_origins: is a list such as https://app.example.com,https://example.com",
        ),
        (
            {"base_image": "python:3.12"},
            "base_image: is an image by its digest, such as python:3.12-slim-bookworm@sha256:...",
        ),
        (
            {"log_days": "31"},
            "log_days: is one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, "
            "1827, 2192, 2557, 2922, 3288, 3653",
        ),
    ],
)
def test_mistake_is_told(changes: Mapping[str, str], problem: str) -> None:
    assert _problems(**changes) == [problem]


@pytest.mark.parametrize("environment", ["Dev", "dev-2", "a" * 13, "1dev", ""])
def test_environment_must_have_a_name_that_fits_everywhere(environment: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(environment, _values())
    assert raised.value.problems[0].startswith("stack: ")


def test_the_runbook_makes_settings_for_another_region(tmp_path: Path) -> None:
    """Of prod's, with the image that it was promoted with: the other region has neither that nor the bound."""
    text = (ROOT / "docs/runbooks/region-down.md").read_text()
    (command,) = re.findall(r"^ *(sed .* Pulumi\.prod\.yaml >Pulumi\.west\.yaml)$", text, re.MULTILINE)
    promoted = f"  transcriber:image_environment: dev\n  transcriber:image_digest: sha256:{'0' * 64}\n"
    (tmp_path / "Pulumi.prod.yaml").write_text((ROOT / "Pulumi.prod.yaml").read_text() + promoted)
    subprocess.run(("sh", "-c", command), cwd=tmp_path, check=True)
    made = yaml.safe_load((tmp_path / "Pulumi.west.yaml").read_text())["config"]
    config = parse("west", own(made))
    assert (config.images, config.image_digest, config.permissions_boundary) == ("west", "", "")
    assert made["aws:region"] == "us-west-2"
    assert made["aws:defaultTags"]["tags"]["environment"] == "west"


def test_an_engine_of_ones_own_needs_no_way_out() -> None:
    url = "https://engine.internal.example.com/v1"
    assert parse("dev", _values(nat_gateways="none", openai_base_url=url)).openai_base_url == url
    assert _problems(openai_base_url="http://engine/v1") == [
        "openai_base_url: is no URL such as https://engine.internal.example.com/v1"
    ]


def test_nothing_in_a_file_is_what_pulumi_makes_of_it() -> None:
    assert own({"transcriber:domain": None, "transcriber:protected": True}) == {"domain": "", "protected": "true"}


def test_defaults_follow_from_the_rest() -> None:
    config = parse("dev", _values(domain="a.example.com"))
    assert (config.zones, config.zone, config.images) == (2, "a.example.com", "dev")
    assert (config.api_keys, config.openai_key) == ("/transcriber/dev/api-keys", "/transcriber/dev/openai-api-key")
    assert config.token_secret == "/transcriber/dev/token-secret"
    assert config.named("x") == "transcriber-dev-x"


def test_every_setting_can_be_given() -> None:
    given = {
        "zones_used": "2",
        "availability_zones": "3",
        "image_environment": "stage",
        "image_digest": "sha256:" + "0" * 64,
        "hosted_zone": "example.com",
        "domain": "a.example.com",
        "openai_key_parameter": "/a/b",
        "alarm_email": "who@example.com",
        "recordings_days": "0",
    }
    config = parse("dev", _values(**given))
    assert isinstance(config, Config)
    assert (config.zones, config.zone, config.images, config.openai_key) == (2, "example.com", "stage", "/a/b")


def test_environments_differ_in_nothing_but_values() -> None:
    dev, prod = (set(_values(environment)) for environment in ("dev", "prod"))
    assert dev ^ prod == {"domain", "hosted_zone"}, "only a domain can be left out"


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_committed_files_hold_no_secret_and_name_their_account(environment: str) -> None:
    text = (ROOT / f"Pulumi.{environment}.yaml").read_text()
    document = yaml.safe_load(text)
    assert "secure:" not in text
    assert set(document) == {"config"}, "neither salt nor key of a secrets provider"
    assert document["config"]["aws:allowedAccountIds"] == ["123456789012"]
    assert document["config"]["aws:defaultTags"]["tags"]["environment"] == environment


def _rows() -> list[str]:
    """What the documentation has for the settings, in their order."""
    rows: list[str] = []
    for item in fields(Config):
        if item.name != "environment":
            limits = item.metadata["limits"]
            bounds = f"{limits['minimum']:,} to {limits['maximum']:,}" if limits else ""
            values = ", ".join(f"`{value}`" for value in item.metadata["one_of"]) or bounds
            default = "" if item.default in (MISSING, "") else f"`{item.default}`".replace("True", "true")
            rows.append(f"| `{item.name}` | {default} | {values} | {item.metadata['help']} |")
    return rows


def test_settings_are_documented_as_they_are() -> None:
    text = (ROOT / "docs/infrastructure.md").read_text()
    assert re.findall(r"^\| `[a-z][a-z0-9_]+` \|.*\|.*\|.*\|$", text, re.MULTILINE) == _rows(), "\n".join(_rows())
