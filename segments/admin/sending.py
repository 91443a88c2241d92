"""Audiences on the screen: to which vendors a segment is sent as a list, and how that stands."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from contacts.models import ConsentDefinition
from integrations.admin.delivery_pictures import ago
from integrations.vendors import registry
from segments.audiences import audiences, renaming
from segments.audiences.models import Audience
from segments.models import Segment
from workspace.access import Actor, actor_of
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

State = Audience.State


class AudienceForm(forms.Form):
    """To which account a segment is sent, as which list, and whom of it."""

    connection = forms.TypedChoiceField(
        label=gettext_lazy("Account"), coerce=int, widget=UnfoldAdminSelectWidget()
    )
    name = forms.CharField(
        label=gettext_lazy("Name of the list there"),
        max_length=audiences.NAME_LIMIT,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Where something there has the name, the list gets a number, too."),
    )
    consent = forms.ChoiceField(
        label=gettext_lazy("Whom"),
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy(
            "The vendor may take whoever is on a list for a subscriber. Suppressed addresses are"
            " never sent."
        ),
    )

    def __init__(self, data: Any = None, *, segment: Segment) -> None:
        super().__init__(data, initial={"name": segment.name[: audiences.NAME_LIMIT]})
        sent_to = segment.audiences.values("connection_id")
        free = audiences.list_connections().exclude(pk__in=sent_to)
        choices = [(one.pk, f"{_label(one.kind)}: {one.name}") for one in free]
        self.fields["connection"].choices = choices  # type: ignore[attr-defined]
        consents = ConsentDefinition.objects.order_by("label").values_list("key", "label")
        self.fields["consent"].choices = [  # type: ignore[attr-defined]
            ("", _("All members that have an e-mail address")),
            *(
                (key, _("Only who gave the consent “%(label)s”") % {"label": label})
                for key, label in consents
            ),
        ]
        self.has_choice = bool(choices)

    def add_refusal(self, error: DomainError) -> None:
        """Show each fault at its field, others over the form."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


def audiences_page(admin_: Any, request: HttpRequest, segment: Segment) -> HttpResponse:
    """The lists that mirror a segment, the form for one more, and the verbs."""
    actor = actor_of(request)
    may_change = actor.may(audiences.CHANGE)
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if verb := request.POST.get("verb"):
            _do(admin_, request, segment, verb, actor)
            return HttpResponseRedirect(request.path)
    form = AudienceForm(request.POST if request.method == "POST" else None, segment=segment)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            begun = audiences.begin_audience(
                segment,
                connection_id=given["connection"],
                name=given["name"],
                consent=given["consent"],
                actor=actor,
                at=timezone.now(),
            )
        except DomainError as error:
            form.add_refusal(error)
        else:
            words = _("“%(name)s” is being made.") % {"name": begun.name}
            admin_.message_user(request, words, messages.SUCCESS)
            return HttpResponseRedirect(request.path)
    found = audiences.visible_audiences(actor).filter(segment=segment)
    context = admin_.thing_context(request, segment, page="audiences", title=_("Audiences"))
    context.update(
        form=form,
        rows=[_row(one, segment) for one in found.select_related("connection", "consent")],
        may_change=may_change,
        is_open=may_change and (request.method == "POST" or "add" in request.GET),
        has_accounts=audiences.list_connections().exists(),
        segment=segment,
    )
    return TemplateResponse(request, "segments/audiences.html", context)


def _do(admin_: Any, request: HttpRequest, segment: Segment, verb: str, actor: Actor) -> None:
    try:
        audience = audiences.find_audience(_whole(request.POST.get("audience")), actor=actor)
        if audience.segment_id != segment.pk:
            raise PermissionDenied
        given: dict[str, Any] = {"actor": actor, "at": timezone.now()}
        if verb == "pause":
            audiences.pause_audience(audience, **given)
            text = _("The list is left as it is.")
        elif verb == "rename":
            renaming.rename_audience(audience, name=request.POST.get("name", ""), **given)
            text = _("The list is renamed.")
        elif verb == "resume":
            audiences.resume_audience(audience, **given)
            text = _("The list is brought up to date.")
        else:
            deletes = verb == "delete"
            ended = audiences.end_audience(audience, delete_list=deletes, **given)
            text = _("The list is being deleted there.") if ended else _("It is sent no more.")
    except DomainError as error:
        admin_.message_user(request, str(error), messages.ERROR)
    else:
        admin_.message_user(request, text, messages.SUCCESS)


def _row(audience: Audience, segment: Segment) -> dict[str, Any]:
    parts = [
        ngettext("%(n)s on the list", "%(n)s on the list", audience.there_count)
        % {"n": number(audience.there_count)}
    ]
    for count, words in (
        (audience.nameless_count, _("%(n)s without an address")),
        (audience.held_back_count, _("%(n)s held back")),
        (audience.refused_count, _("%(n)s refused by the vendor")),
    ):
        if count:
            parts.append(words % {"n": number(count)})
    is_still = segment.status != Segment.Status.ACTIVE
    return {
        "audience": audience,
        "badge": _badge(audience, is_still=is_still),
        "account": f"{_label(audience.connection.kind)}: {audience.connection.name}",
        "parts": parts if audience.last_sync_at else [],
        "last": ago(audience.last_sync_at),
        "list_name": audience.list_name or audience.name,
        "is_taken": bool(audience.list_name) and audience.list_name != audience.name,
        "may_rename": audience.state != State.ENDING,
        "may_resume": audience.state == State.PAUSED,
        "may_pause": audience.state == State.ACTIVE,
        "may_end": audience.state != State.ENDING,
        "may_delete": bool(audience.list_id) and audience.connection.is_enabled,
    }


def _badge(audience: Audience, *, is_still: bool) -> SafeString:
    if audience.state == State.ENDING:
        return badge(audience.get_state_display(), "warning", "delete_sweep")
    if audience.error:
        return badge(_("it fails"), "bad", "error")
    if audience.state == State.PAUSED:
        return badge(audience.get_state_display(), "neutral", "pause")
    if is_still:
        return badge(_("rests: the segment is not active"), "neutral", "pause")
    if not audience.connection.is_enabled:
        return badge(_("rests: the account is not active"), "warning", "pause")
    if audience.last_sync_at is None:
        return badge(_("on its way"), "info", "schedule")
    return badge(_("up to date"), "good", "check")


def _label(kind: str) -> str:
    vendor = registry.find_vendor(kind)
    return vendor.label if vendor is not None else kind


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0
