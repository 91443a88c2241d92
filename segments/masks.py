"""Criteria documents as one reader may see them: without the keys of segments hidden from him.

A segment that belongs to other user groups does not exist for the reader, so its key may not stand
in a document that he reads (behaviour AN-12). In its place stands a mask, "hidden:1", "hidden:2"…
in the order of the document. No key looks like a mask, and a mask says nothing of what is behind:
the same segment has another one elsewhere, and a key that no segment has gets one, too.

Who sends a document back as he read it has changed nothing: what was behind the masks stays.
In a changed document a mask is refused (`not_allowed`): with it one could find out, by changing
what stands around it, who is in a segment that one may not know of.
"""

from collections.abc import Callable, Iterator
from typing import Any

from segments.criteria import MASK
from segments.documents import is_same
from segments.models import Segment
from workspace import access
from workspace.access import Actor


class Mask:
    """What hides segments from one reader; asks the database at most once, however many documents.

    For one request: what the reader may know of is not looked up again.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._known: frozenset[str] | None = None

    def hides(self, key: str) -> bool:
        """Whether the reader may not know of a segment with this key, or there is none."""
        if self.actor.is_admin:
            return False
        if self._known is None:
            seen = access.visible(Segment.objects.all(), self.actor).order_by()
            self._known = frozenset(seen.values_list("key", flat=True))
        return key not in self._known

    def of(self, document: Any) -> Any:
        """A document as the reader may see it; the very same where nothing is to hide."""
        if self.actor.is_admin or not any(self.hides(key) for key in _keys(document)):
            return document
        masks: dict[str, str] = {}

        def masked(key: str) -> str:
            return masks.setdefault(key, f"{MASK}{len(masks) + 1}") if self.hides(key) else key

        return _replaced(document, masked)

    def is_unchanged(self, document: Any, saved: Any) -> bool:
        """Whether the reader sends back what he was shown of a saved document."""
        return is_same(document, self.of(saved))

    def lifted(self, document: Any, saved: Any) -> Any:
        """A document that the reader wrote, as it is to be kept in the place of a saved one.

        Unchanged, it is the saved one. Else what was behind the masks in disabled parts stays
        there, where it does nothing; the other masks stay masks, for criteria to refuse.
        """
        if self.is_unchanged(document, saved):
            return saved
        behind = dict(zip(_keys(self.of(saved)), _keys(saved), strict=True))
        return _replaced(document, lambda key: behind.get(key, key), only_disabled=True)


def mask_criteria(document: Any, actor: Actor) -> Any:
    """One document as `actor` may see it."""
    return Mask(actor).of(document)


def _keys(document: Any) -> list[str]:
    """The keys of segments that stand in a document, disabled parts included, in its order."""
    found: list[str] = []
    for rule, _is_disabled in _segment_rules(document):
        value = rule.get("value")
        keys: list[Any] = value if isinstance(value, list) else [value]
        found += [key for key in keys if isinstance(key, str)]
    return found


def _replaced(document: Any, change: Callable[[str], str], *, only_disabled: bool = False) -> Any:
    """A copy of a document in which the keys of segments are changed."""
    copy = _copied(document)
    for rule, is_disabled in _segment_rules(copy):
        if only_disabled and not is_disabled:
            continue
        value = rule.get("value")
        if isinstance(value, list):
            rule["value"] = [change(key) if isinstance(key, str) else key for key in value]
        elif isinstance(value, str):
            rule["value"] = change(value)
    return copy


def _segment_rules(document: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    """The rules that ask for segments, in the order of the document, and whether they are off."""
    # Without recursion: disabled parts, which nobody checks, nest as deep as their writer likes.
    to_see = [(document, False)]
    while to_see:
        node, is_disabled = to_see.pop()
        if not isinstance(node, dict):
            continue
        is_disabled = is_disabled or node.get("disabled") is True
        if node.get("field") == "segment":
            yield node, is_disabled
        children = node.get("rules")
        if isinstance(children, list):
            to_see += [(child, is_disabled) for child in reversed(children)]


def _copied(document: Any) -> Any:
    """A copy of the nodes of a document; what they hold besides rules is shared."""
    root = {"rules": [document]}
    to_see: list[dict[str, Any]] = [root]
    while to_see:
        node = to_see.pop()
        children = node.get("rules")
        if isinstance(children, list):
            node["rules"] = [
                dict(child) if isinstance(child, dict) else child for child in children
            ]
            to_see += [child for child in node["rules"] if isinstance(child, dict)]
    return root["rules"][0]
