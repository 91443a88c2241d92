"""The demo workspace as an app: no tables of its own, only commands."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Invented customers, for whoever looks at the product the first time."""

    name = "config.demo"
    label = "demo"
