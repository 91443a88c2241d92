"""Suspicious activity on the screen: what was seen, in words; block, unblock."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from loyalty.errors import SubjectInvalid
from loyalty.guarding import suspicions
from loyalty.guarding.suspicion_words import subject_in_words, words_of
from loyalty.models import Suspicion
from workspace.access import actor_of
from workspace.admin.buttons import ObjectActionsAdmin, object_action
from workspace.admin.lists import ReadOnlyAdmin
from workspace.admin.pages import EmptyState
from workspace.admin.pictures import badge, number

_MAY = "loyalty.block_suspicion"
_TONES = {"open": "warning", "blocked": "bad", "cleared": "good"}
_LASTS = (
    ("", gettext_lazy("until somebody unblocks")),
    ("1", gettext_lazy("for a day")),
    ("7", gettext_lazy("for a week")),
    ("30", gettext_lazy("for 30 days")),
)
_ADDRESSES = {
    "contact": "admin:contacts_contact_change",
    "api_user": "admin:workspace_apiuser_change",
    "client_key": "admin:loyalty_clientkey_change",
}


class BlockForm(forms.Form):
    """For how long, and why."""

    lasts = forms.ChoiceField(
        label=gettext_lazy("How long"),
        choices=_LASTS,
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("For the audit trail; the customer does not see it."),
    )

    @property
    def until(self) -> datetime | None:
        """When the block ends; none for never."""
        days = self.cleaned_data["lasts"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class ByHandForm(BlockForm, forms.ModelForm):  # type: ignore[type-arg]
    """Whom to block, although nothing was seen."""

    subject = forms.CharField(
        label=gettext_lazy("Who"),
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "contact:12"}),
        help_text=gettext_lazy("contact:12, ip:203.0.113.7, api_user:3 or client_key:2."),
    )

    class Meta:
        model = Suspicion
        fields = ("subject",)

    def clean_subject(self) -> str:
        subject: str = self.cleaned_data["subject"].strip()
        try:
            suspicions.check_subject(subject)
        except SubjectInvalid as error:
            raise forms.ValidationError(str(error)) from error
        return subject


@admin.register(Suspicion)
class SuspicionAdmin(ObjectActionsAdmin, ReadOnlyAdmin):
    """What looked like cheating, the newest first."""

    list_display = ("who", "seen", "state_badge", "how_often", "last_at")
    list_display_links = ("who",)
    list_filter = ("state", "kind")
    search_fields = ("subject",)
    list_per_page = 50
    show_full_result_count = False
    add_label = gettext_lazy("Block by hand")
    empty_state = EmptyState(
        gettext_lazy(
            "Nothing suspicious was seen. Here you find who tries many codes that do not exist, who"
            " redeems very often in a short time, and many cards that go to one mailbox. You decide"
            " who is blocked; only guessing codes locks an address out by itself, for a while."
        ),
        icon="shield",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).may(_MAY)

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        return ByHandForm if obj is None else super().get_form(request, obj, **options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("subject", "lasts", "reason")
        return ("who", "seen", "state_badge", "how_often", "first_at", "last_at", "examples", "end")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            raise PermissionDenied
        made = suspicions.block(
            obj.subject,
            until=form.until,
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        obj.pk = made.pk

    @admin.display(description=gettext_lazy("who"), ordering="subject")
    def who(self, suspicion: Suspicion) -> str:
        return subject_in_words(suspicion.subject)

    @admin.display(description=gettext_lazy("what was seen"))
    def seen(self, suspicion: Suspicion) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span><span class="rg-faint">{}</span></span>',
            suspicion.get_kind_display(),
            words_of(suspicion),
        )

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, suspicion: Suspicion) -> SafeString:
        return badge(suspicion.get_state_display(), _TONES[suspicion.state])

    @admin.display(description=gettext_lazy("how often"), ordering="count")
    def how_often(self, suspicion: Suspicion) -> str:
        return number(suspicion.count)

    @admin.display(description=gettext_lazy("who it is about"))
    def examples(self, suspicion: Suspicion) -> SafeString | str:
        kind, _colon, value = suspicion.subject.partition(":")
        ids = [value] if kind in _ADDRESSES else []
        if kind == "mailbox":
            kind, ids = "contact", list(suspicion.details.get("some", []))
        links = [
            (reverse(_ADDRESSES[kind], args=[one]), subject_in_words(f"{kind}:{one}"))
            for one in ids
        ]
        return format_html_join(", ", '<a class="rg-link" href="{}">{}</a>', links) or "–"

    @admin.display(description=gettext_lazy("blocked until"))
    def end(self, suspicion: Suspicion) -> str:
        if suspicion.state == Suspicion.State.CLEARED:
            return _("cleared by %(name)s") % {"name": suspicion.resolved_by or "–"}
        if suspicion.state != Suspicion.State.BLOCKED:
            return _("not blocked")
        if suspicion.blocked_until is None:
            until = _("somebody unblocks")
        else:
            until = date_format(timezone.localtime(suspicion.blocked_until), "DATETIME_FORMAT")
        return _("%(until)s (by %(name)s)") % {"until": until, "name": suspicion.resolved_by or "–"}

    @object_action(
        gettext_lazy("Block"),
        permission=_MAY,
        icon="block",
        variant="danger",
        consequence=gettext_lazy(
            "Gets no more cards and pays with none: validations, redemptions and publications are"
            " refused, without a reason. What was paid stays as it is."
        ),
        confirm=gettext_lazy("Block"),
        is_offered=lambda suspicion: suspicion.state == Suspicion.State.OPEN,
        form_class=BlockForm,
    )
    def block(self, request: HttpRequest, suspicion: Suspicion, form: BlockForm) -> str:
        suspicions.block(
            suspicion.subject,
            until=form.until,
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        return _("%(who)s is blocked.") % {"who": subject_in_words(suspicion.subject)}

    @object_action(
        gettext_lazy("Clear"),
        permission=_MAY,
        icon="check",
        consequence=gettext_lazy(
            "A block and a lock-out end at once, and what was seen until now does not count again."
        ),
        confirm=gettext_lazy("Clear"),
        is_offered=lambda suspicion: suspicion.state != Suspicion.State.CLEARED,
    )
    def clear(self, request: HttpRequest, suspicion: Suspicion) -> str:
        suspicions.unblock(suspicion.subject, actor=actor_of(request), at=timezone.now())
        return _("%(who)s is cleared.") % {"who": subject_in_words(suspicion.subject)}
