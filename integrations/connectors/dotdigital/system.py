"""What the product does with Dotdigital, registered in one place."""

from django.utils.translation import gettext_lazy

from integrations.connectors.dotdigital import lists, segments, store, updating, vendor
from integrations.metric_uploads import records
from integrations.vendors import importers, list_keepers, registry, updates
from integrations.vendors.registry import Sync


def register() -> None:
    """Let people connect to Dotdigital, and do with it what it is for. May be called again."""
    vendor.register()
    registry.register_sync(
        vendor.KIND, Sync("metrics", gettext_lazy("Metrics of contacts"), store.upload)
    )
    registry.register_deleter(vendor.KIND, store.delete_website, count=records.record_count)
    updates.register_update(vendor.KIND, updating.update)
    importers.register_importer(vendor.KIND, segments.IMPORTER)
    list_keepers.register_list_keeper(vendor.KIND, lists.lists_of)
