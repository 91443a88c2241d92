"""Criteria documents as one reader may see them: without the keys of what is hidden from him.

A segment or a journey that belongs to other user groups does not exist for the reader, so its key
may not stand in a document that he reads (behaviour AN-12). In its place stands a mask, "hidden:1",
"hidden:2"… in the order of the document. No key looks like a mask, and a mask says nothing of what
is behind: the same segment has another one elsewhere, and a key that no segment has gets one, too.

Who sends a document back as he read it has changed nothing: what was behind the masks stays.
In a changed document a mask is refused (`not_allowed`): with it one could find out, by changing
what stands around it, who is in a segment that one may not know of.
"""

from collections.abc import Callable, Iterator
from typing import Any

from segments import things
from segments.criteria import MASK
from segments.documents import is_same
from segments.models import Segment
from workspace import access
from workspace.access import Actor

_SEGMENT = "segment"


class Mask:
    """What hides segments and other things from one reader, however many documents.

    For one request: what the reader may know of is looked up once for each kind.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._known: dict[str, frozenset[str]] = {}

    def hides(self, key: str) -> bool:
        """Whether the reader may not know of a segment with this key, or there is none."""
        return self.hides_thing(_SEGMENT, key)

    def hides_thing(self, kind: str, key: str) -> bool:
        """The same for a thing of a kind of an upper floor ("journey")."""
        if self.actor.is_admin:
            return False
        if kind not in self._known:
            self._known[kind] = self._keys_of(kind)
        return key not in self._known[kind]

    def _keys_of(self, kind: str) -> frozenset[str]:
        if kind != _SEGMENT:
            return things.known_keys(kind, self.actor)
        seen = access.visible(Segment.objects.all(), self.actor).order_by()
        return frozenset(seen.values_list("key", flat=True))

    def of(self, document: Any) -> Any:
        """A document as the reader may see it; the very same where nothing is to hide."""
        if self.actor.is_admin or not any(self.hides_thing(*one) for one in _named(document)):
            return document
        masks: dict[tuple[str, str], str] = {}

        def masked(kind: str, key: str) -> str:
            if not self.hides_thing(kind, key):
                return key
            return masks.setdefault((kind, key), f"{MASK}{len(masks) + 1}")

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
        behind = dict(zip(_named(self.of(saved)), _named(saved), strict=True))

        def lifted(kind: str, key: str) -> str:
            return behind.get((kind, key), (kind, key))[1]

        return _replaced(document, lifted, only_disabled=True)


def mask_criteria(document: Any, actor: Actor) -> Any:
    """One document as `actor` may see it."""
    return Mask(actor).of(document)


def _named(document: Any) -> list[tuple[str, str]]:
    """The kinds and keys of what stands in a document, disabled parts included, in its order."""
    found: list[tuple[str, str]] = []
    for rule, kind, _is_disabled in _naming_rules(document):
        value = rule.get("value")
        keys: list[Any] = value if isinstance(value, list) else [value]
        found += [(kind, key) for key in keys if isinstance(key, str)]
    return found


def _replaced(
    document: Any, change: Callable[[str, str], str], *, only_disabled: bool = False
) -> Any:
    """A copy of a document in which the keys of segments and other things are changed."""
    copy = _copied(document)
    for rule, kind, is_disabled in _naming_rules(copy):
        if only_disabled and not is_disabled:
            continue
        value = rule.get("value")
        if isinstance(value, list):
            rule["value"] = [change(kind, key) if isinstance(key, str) else key for key in value]
        elif isinstance(value, str):
            rule["value"] = change(kind, value)
    return copy


def _naming_rules(document: Any) -> Iterator[tuple[dict[str, Any], str, bool]]:
    """The rules that ask for segments and the like, of which kind, and whether they are off.

    In the order of the document.
    """
    kinds = {_SEGMENT: _SEGMENT, **things.kinds_of_fields()}
    # Without recursion: disabled parts, which nobody checks, nest as deep as their writer likes.
    to_see = [(document, False)]
    while to_see:
        node, is_disabled = to_see.pop()
        if not isinstance(node, dict):
            continue
        is_disabled = is_disabled or node.get("disabled") is True
        field = node.get("field")
        if isinstance(field, str) and field in kinds:
            yield node, kinds[field], is_disabled
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
