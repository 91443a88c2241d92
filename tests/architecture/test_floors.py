"""Foreign keys go down the stairs. Import-linter cannot see those that are named by a string."""

import tomllib

from django.apps import apps

from config.embedded.paths import CHECKOUT


def _floors() -> list[str]:
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    [contract] = [
        found
        for found in settings["tool"]["importlinter"]["contracts"]
        if found["name"] == "Floors"
    ]
    layers: list[str] = contract["layers"]
    return layers


def test_foreign_keys_go_down_the_stairs() -> None:
    height = {name: -place for place, name in enumerate(_floors())}
    wrong = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in height
        for field in model._meta.get_fields(include_hidden=True)
        if field.concrete and field.is_relation and field.related_model
        if height.get(field.related_model._meta.app_label, -99) > height[model._meta.app_label]
    ]
    assert wrong == []


def test_every_room_of_ours_has_a_floor() -> None:
    rooms = {path.parent.name for path in CHECKOUT.glob("*/apps.py")}
    assert rooms == set(_floors())
