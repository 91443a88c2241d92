"""The screens of what comes in from outside: sources, their live debugger, what is held."""

from integrations.admin import (  # noqa: F401  # Importing them registers them.
    held,
    on_contacts,
    sources,
    templates,
)
