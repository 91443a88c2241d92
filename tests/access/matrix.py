"""What stands in the parts of every address, and walks through all of them as somebody."""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit
from uuid import uuid4

from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test import Client

from contacts.models import Contact
from integrations.models import Source
from journeys.models import Journey
from loyalty.models import Distribution, Mechanism
from segments.models import Segment
from tests.access.addresses import Address
from tests.access.secrets import BOGUS_ID, BOGUS_KEY, ID, KEY, NAME, Secret

# Said where no object says it: what may stand in a part, by the name of the address and the part.
_SAID: dict[tuple[str, str], tuple[object, ...]] = {
    ("mail_message", "name"): ("none",),
    ("wallet", "token"): ("none",),
    ("message_opened", "token"): ("none",),
    ("message_clicked", "token"): ("none",),
    ("message_view", "token"): ("none",),
    ("message_unsubscribe", "token"): ("none",),
    ("message_preferences", "token"): ("none",),
    ("mail_message", "position"): (0,),
    ("admin:view_on_site", "content_type_id"): ("{segment_type}",),
    ("admin:view_on_site", "object_id"): (ID,),
    ("admin:app_list", "app_label"): ("segments", "workspace", "contacts"),
    ("admin:contacts_contact_label", "kind"): ("tags", "categories"),
    ("admin:contacts_contact_label", "verb"): ("add", "remove"),
    ("api:contact-by-external-id", "external_id"): ("plain-0",),
    ("api:contact-tag", "key"): ("plain0",),
    ("api:contact-category", "key"): ("plain0",),
    ("webhook_segment", "key"): ("none",),
    ("api:connection-leave", "key"): ("none",),
    ("admin:integrations_vendorconnection_kind", "kind"): ("none",),
    ("admin:integrations_vendorconnection_authorize", "kind"): ("none",),
    ("api:segment-imports", "kind"): ("emarsys",),
    ("admin:segments_segment_import_counts", "connection_id"): (0,),
    ("mail_provider", "provider"): ("postmark",),
    ("voucherify_customer", "reference"): ("none",),
    ("voucherify_customer_activity", "reference"): ("none",),
    ("voucherify_customer_redeemables", "reference"): ("none",),
    ("voucherify_customer_segments", "reference"): ("none",),
    ("voucherify_campaign", "reference"): (f"{KEY}-cards",),
    ("voucherify_campaign_enable", "reference"): (f"{KEY}-cards",),
    ("voucherify_campaign_disable", "reference"): (f"{KEY}-cards",),
    ("voucherify_campaign_vouchers", "reference"): (f"{KEY}-cards",),
    ("voucherify_campaign_voucher", "reference"): (f"{KEY}-cards",),
    ("voucherify_campaign_voucher", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_validate", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_redemption", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_enable", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_disable", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_balance", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_transactions", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_session", "code"): ("ZZYZX-SECRET-0",),
    ("voucherify_voucher_session", "key"): ("none",),
    ("voucherify_rule", "reference"): ("val_1",),
    ("voucherify_assignments", "reference"): ("val_1",),
    ("voucherify_assignment", "reference"): ("val_1",),
    ("voucherify_assignment", "assignment"): ("asgm_1",),
    ("voucherify_redemption", "reference"): ("r_1",),
    ("voucherify_rollback", "reference"): ("r_1",),
    ("voucherify_rollbacks", "reference"): ("r_1",),
    ("voucherify_segment", "reference"): (KEY, f"seg_{ID}"),
    ("voucherify_segment_members", "reference"): (KEY, f"seg_{ID}"),
    ("api:source-retire-key", "write_key_id"): (1,),
    ("api:points-reverse", "posting_id"): (1,),
    ("admin:loyalty_points_reverse", "posting_id"): (1,),
}
# What one types into addresses to find something: the parameters and what one tries.
_GUESSES = (
    ("admin:search", "s", (NAME, KEY)),
    ("admin:search", "extended=1&s", (NAME, KEY)),
    ("admin:segments_segment_changelist", "q", (NAME, KEY, "zzyzx")),
    ("admin:segments_export_changelist", "q", (NAME, KEY)),
    ("admin:segments_segment_overlap", "keys", (KEY, f"shared,{KEY}")),
    ("admin:segments_segment_overlap", "add", (KEY, NAME)),
    ("admin:contacts_contact_changelist", "segment", (KEY, ID)),
    ("admin:workspace_auditentry_changelist", "object_id", (ID,)),
    ("admin:workspace_auditentry_changelist", "object_type", ("segment",)),
    ("admin:workspace_job_changelist", "kind", ("segments.refresh",)),
    ("api:segment-list", "name", (NAME, "zzyzx")),
    ("api:segment-list", "group", ("Poland",)),
    ("api:segment-overlap", "keys", (KEY, f"shared,{KEY}")),
    ("api:contact-list", "segment", (KEY,)),
    ("admin:loyalty_mechanism_changelist", "q", (NAME, KEY, "zzyzx")),
    ("api:mechanism-list", "name", ("zzyzx",)),
    ("api:mechanism-list", "segment", (KEY,)),
    ("api:export-list", "segment", (KEY,)),
    ("api:journey-list", "search", (NAME, "zzyzx")),
    ("api:journey-list", "group", ("Poland",)),
    ("api:job-list", "subject", (f"segment:{ID}",)),
    ("api:delivery-list", "subject", (f"segment:{ID}",)),
    ("admin:integrations_delivery_changelist", "subject", (f"segment:{ID}",)),
)
_OURS = frozenset({"workspace", "contacts", "segments", "loyalty", "journeys", "integrations"})
# Parts that name nothing of which only a group may know.
_NOT_KEPT = frozenset({"contact_id", "action", "kind", "verb", "number"})
_LINK = re.compile(r"""(?:href|action|data-url|hx-get)=["']([^"'#]+)["']""")
_LEFT_OUT = ("/admin/logout/", "/static/")
# The same rows in another order, or counted besides.
_SAME_ROWS = frozenset({"o", "p", "_facets", "_changelist_filters"})


class Undeclared(AssertionError):
    """An address whose parts nobody said anything about, or a kind of thing that is missing."""


def choices_of(address: Address, secret: Secret) -> dict[str, tuple[object, ...]]:
    """What stands in the parts of an address, those about the secret first of all."""
    return {name: _choices(address, name, secret) for name in address.parameters}


def undeclared(addresses: Iterable[Address], secret: Secret) -> list[str]:
    """What has to be said about addresses before the matrix can go through them."""
    found = []
    for address in addresses:
        try:
            choices_of(address, secret)
        except Undeclared as missing:
            found.append(str(missing))
    return found


def is_about_secret(address: Address, secret: Secret) -> bool:
    """Whether the address is that of something that only the group may know of."""
    model = _model_of(address)
    about = {*secret.things, "segments.segment"}
    return bool(address.parameters) and model is not None and _is_kept(model, about)


def with_bogus(address: Address, secret: Secret) -> Iterator[tuple[str, str]]:
    """Addresses of the secret, each with the same one of something that never was."""
    real = choices_of(address, secret)
    never = {
        name: values if name in _NOT_KEPT else tuple(_never(value) for value in values)
        for name, values in real.items()
    }
    yield from zip(address.paths(real), address.paths(never), strict=True)


def _never(value: object) -> object:
    if isinstance(value, int):
        return BOGUS_ID
    return value.replace(KEY, BOGUS_KEY) if isinstance(value, str) else uuid4()


def guesses(addresses: Iterable[Address]) -> Iterator[str]:
    """Addresses in which somebody tries the name, key or id of the secret."""
    places = {address.name: address.template for address in addresses}
    for name, parameter, tried in _GUESSES:
        for value in tried:
            yield f"/{places[name]}?{parameter}={value}"


def read(answer: Any) -> str:
    """All that an answer says: its body and headers."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    headers = "\n".join(f"{name}: {value}" for name, value in answer.items())
    return f"{body.decode('utf-8', 'replace')}\n{headers}"


def links_in(text: str, path: str) -> Iterator[str]:
    """The addresses of this product to which a page leads."""
    for found in _LINK.findall(text):
        parts = urlsplit(urljoin(path, html.unescape(found)))
        is_ours = not parts.netloc and not parts.path.startswith(_LEFT_OUT)
        if is_ours and not _SAME_ROWS & {name for name, _value in parse_qsl(parts.query)}:
            yield f"{parts.path}?{parts.query}" if parts.query else parts.path


def shape_of(path: str) -> tuple[str, tuple[str, ...]]:
    """What two links have in common that lead to the same kind of page."""
    parts = urlsplit(path)
    names = tuple(sorted({name for name, _value in parse_qsl(parts.query)}))
    return re.sub(r"/(\d+|[0-9a-f-]{36})/", "/0/", parts.path), names


def walk(
    client: Client, begin: Iterable[str], *, follow: bool, limit: int = 1
) -> Iterator[tuple[str, Any, str]]:
    """Each page, what it answers and says; pages to which they lead up to `limit` of a shape."""
    seen, shapes = set[str](), dict[tuple[str, tuple[str, ...]], int]()
    to_see, found = list(begin), list[str]()
    while to_see:
        path = to_see.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        text = read(answer)
        yield path, answer, text
        found += [link for link in links_in(text, path) if follow and "/api/" not in path]
        if not to_see:
            for link in dict.fromkeys(found):
                shapes[shape_of(link)] = shapes.get(shape_of(link), 0) + 1
                if link not in seen and shapes[shape_of(link)] <= limit:
                    to_see.append(link)
            follow, found = False, []


def _choices(address: Address, name: str, secret: Secret) -> tuple[object, ...]:
    if said := _SAID.get((address.name, name)):
        segment_type = ContentType.objects.get_for_model(Segment).pk
        return tuple(segment_type if value == "{segment_type}" else value for value in said)
    model = _model_of(address)
    if name == "action" and model is not None:
        screen: Any = admin.site._registry[model]
        return tuple(screen.object_actions())
    if name == "contact_id":
        return (secret.member_id,)
    if name == "key" and "segments/{key}/" in address.template:
        model = Segment
    if name == "key" and "distributions/{key}/" in address.template:
        model = Distribution
    if name == "key" and "journeys/{key}/" in address.template:
        model = Journey
    if name == "key" and "mechanisms/{key}/" in address.template:
        model = Mechanism
    if name == "key" and "sources/{key}/" in address.template:
        model = Source
    if name.endswith("_id") and name != "object_id":
        return (_thing(_named(name.removesuffix("_id"), address), secret).pk,)
    if model is None:
        raise _nothing(address, name)
    is_of_file = model is Segment and "/file/" in address.template
    thing = secret.things["of_file"] if is_of_file else _thing(model, secret)
    if name in {"object_id", "pk", "id"}:
        return (thing.pk,)
    if hasattr(thing, name):
        return (getattr(thing, name),)
    if name == "number":
        # A version of the thing.
        return (1,)
    if name == "token":
        # An upload of somebody else's cannot be found by trying.
        return ("none",)
    raise _nothing(address, name)


def _named(word: str, address: Address) -> type[models.Model]:
    """The model that a part of an address names: `job_id` a Job, `list_id` a ContactList."""
    ours = [model for model in apps.get_models() if model._meta.app_label in _OURS]
    for fits in (str.__eq__, str.endswith):
        for model in ours:
            if fits(str(model._meta.model_name), word):
                return model
    raise _nothing(address, f"{word}_id")


def _nothing(address: Address, name: str) -> Undeclared:
    return Undeclared(
        f"Say in tests/access/matrix.py what stands for {name} in {address.template}."
    )


def _model_of(address: Address) -> type[models.Model] | None:
    """What the address is about: the model of its screen, or of its resource in the API."""
    if address.is_api:
        view: Any = getattr(address.callback, "cls", None)
        queryset = getattr(view, "queryset", None)
        return None if queryset is None else queryset.model
    rooms = {f"{m._meta.app_label}/{m._meta.model_name}/": m for m in admin.site._registry}
    place = address.template.removeprefix("admin/")
    return next((model for room, model in rooms.items() if place.startswith(room)), None)


def _is_kept(model: type[models.Model], about: set[str]) -> bool:
    return model._meta.label_lower in about or _way_to_segment(model) is not None


def _way_to_segment(model: type[models.Model]) -> str | None:
    """The name of the field by which things of a model belong to a segment."""
    for field in model._meta.get_fields():
        if isinstance(field, models.ForeignKey) and field.related_model is Segment:
            return field.name
    return None


def _thing(model: type[models.Model], secret: Secret) -> Any:
    """One thing of a kind: of the secret, where things of this kind are about segments."""
    if (thing := secret.things.get(model._meta.label_lower)) is not None:
        return thing
    if model is Contact:
        return Contact.objects.get(pk=secret.member_id)
    rows = model._default_manager.all()
    if way := _way_to_segment(model):
        rows = rows.filter(**{way: secret.segment})
    thing = rows.order_by("pk").first()
    if thing is None and model._meta.app_label not in _OURS:
        return model(pk=1)
    if thing is None:
        raise Undeclared(f"Make a {model._meta.label} in tests/access/secrets.py.")
    return thing
