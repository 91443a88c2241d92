"""Which contact stands for one that was merged."""

from collections.abc import Collection

from contacts.models import ContactMerge


def survivor_of(contact_id: int) -> int:
    """The contact that has everything of this one now; itself, where it was not merged.

    One query, however often it was merged on.
    """
    found = ContactMerge.objects.filter(pk=contact_id).values_list("survivor_id", flat=True)
    return found.first() or contact_id


def survivors_of(contact_ids: Collection[int]) -> dict[int, int]:
    """The same for many; only those that were merged are named."""
    found = ContactMerge.objects.filter(pk__in=contact_ids)
    return dict(found.values_list("loser_id", "survivor_id"))


def merged_into(contact_ids: Collection[int]) -> list[int]:
    """The ids of all contacts that were merged into these, in order."""
    found = ContactMerge.objects.filter(survivor_id__in=contact_ids).order_by("pk")
    return list(found.values_list("pk", flat=True))
