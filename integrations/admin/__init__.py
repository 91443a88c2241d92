"""The screens of what comes in from outside: sources, their live debugger, what is held."""

from integrations.admin import held, sources  # noqa: F401  # Importing them registers them.
