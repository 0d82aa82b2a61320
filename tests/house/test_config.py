"""Configuration that is wrong says where, what, and the nearest right key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config import Conf, Project
from pipelines.errors import UsageError
from pipelines.settings import load_settings
from pipelines.sources import load_sources


def conf(folder: Path, name: str, text: str) -> Conf:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Conf(folder)


def problem(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        conf(folder, "padron.yml", text).load("padron.yml", Project)
    return str(caught.value)


def test_an_unknown_key_names_file_line_and_the_nearest_key(tmp_path: Path) -> None:
    assert problem(tmp_path, "country: MX\ntimezona: UTC\n") == (
        "conf/padron.yml:2: timezona is not a known key. Did you mean timezone?"
    )


def test_a_wrong_value_names_file_line_and_what_was_expected(tmp_path: Path) -> None:
    said = problem(tmp_path, "country: MX\nretention_days: 3\n")
    assert said.startswith("conf/padron.yml:2: retention_days:")
    assert "greater than or equal to 7" in said


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    assert len(problem(tmp_path, "a: 1\nb: 2\n").splitlines()) == 2


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert "stands twice" in problem(tmp_path, "country: MX\ncountry: ES\n")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    assert problem(tmp_path, "country: [MX\n").startswith("conf/padron.yml:")


def test_a_wrong_time_zone_suggests_one(tmp_path: Path) -> None:
    assert "Europe/Madrid" in problem(tmp_path, "timezone: Europe/Madris\n")


def test_the_environment_overrides_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADRON__PADRON__MAX_DELETED_SHARE", "0.2")
    assert conf(tmp_path, "padron.yml", "country: ES\n").project.max_deleted_share == 0.2


def test_a_feed_that_maps_an_undeclared_column_is_refused(tmp_path: Path) -> None:
    text = (
        "source: shop\nowner: x\nchannel: web\nfeeds:\n  users:\n    mode: snapshot\n    key: [id]\n"
        "    target: customer_records\n    columns: [id]\n    map: {record_id: id, full_name_raw: nmae}\n"
    )
    with pytest.raises(UsageError, match=r"conf/sources/shop.yml:\d+: feeds.users.*nmae"):
        load_sources(conf(tmp_path, "sources/shop.yml", text))


def test_the_defaults_are_valid() -> None:
    settings = load_settings(Conf().defaults)
    assert {"crm", "erp", "pos", "web", "support", "orders"} <= set(settings.sources)
    assert len(settings.digest) == 16


def test_an_environment_is_laid_over_the_project_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf(tmp_path, "padron.yml", "country: ES\ngates: {landing: warn, schema: fail}\n")
    conf(tmp_path, "env/prod/padron.yml", "retention_days: 90\ngates: {landing: fail}\n")
    conf(tmp_path, "env/prod/spark-defaults.conf", "spark.master yarn\n")
    assert Conf(tmp_path).project.retention_days == 60
    monkeypatch.setenv("PADRON_ENV", "prod")
    monkeypatch.setenv("PADRON__PADRON__MAX_DELETED_SHARE", "0.2")
    made = Conf(tmp_path)
    assert (made.project.country, made.project.retention_days) == ("ES", 90)
    assert made.project.gates == {"landing": "fail", "schema": "fail"}
    assert made.project.max_deleted_share == 0.2
    assert made.path("spark-defaults.conf") == tmp_path / "env" / "prod" / "spark-defaults.conf"
    assert made.path("linkage.yml") == made.defaults / "linkage.yml"


def test_a_problem_of_an_environment_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf(tmp_path, "env/prod/padron.yml", "country: ES\ntimezona: UTC\n")
    monkeypatch.setenv("PADRON_ENV", "prod")
    with pytest.raises(UsageError, match=r"^conf/env/prod/padron\.yml:2: timezona is not a known key"):
        _ = Conf(tmp_path).project


def test_an_environment_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf(tmp_path, "env/prod/padron.yml", "country: ES\n")
    monkeypatch.setenv("PADRON_ENV", "prd")
    with pytest.raises(UsageError, match=r"no folder conf/env/prd\. Did you mean prod\?"):
        Conf(tmp_path)


def test_retention_is_of_layers_that_there_are(tmp_path: Path) -> None:
    said = problem(tmp_path, "country: MX\nretention_by_layer: {brons: 400}\n")
    assert said.startswith("conf/padron.yml:2: retention_by_layer: no layer brons; there are bronze, silver")
    made = conf(tmp_path, "padron.yml", "retention_by_layer: {bronze: 400}\n").project
    assert (made.retention("bronze"), made.retention("gold")) == (400, 60)
