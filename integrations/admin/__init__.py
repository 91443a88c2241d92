"""The screens of what comes in from outside and of what goes out."""

from integrations.admin import (  # noqa: F401  # Importing them registers them.
    authorizations,
    deliveries,
    held,
    on_contacts,
    push,
    push_subscriptions,
    sources,
    suppressions,
    templates,
    webhooks,
)
