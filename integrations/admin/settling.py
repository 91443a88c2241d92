"""The settings of a source: name, what becomes of new traits, whether it sends, its write keys."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from integrations import sources, user_hashes
from integrations.models import Source
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, object_action
from workspace.errors import DomainError

_CHANGE = "integrations.change_source"
_GRACES = (
    (str(7 * 86_400), gettext_lazy("7 days more")),
    (str(86_400), gettext_lazy("24 hours more")),
    (str(3_600), gettext_lazy("an hour more")),
    ("0", gettext_lazy("not any more: they stop at once")),
)


class SettingsForm(forms.Form):
    """What people may change of a source."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=120, widget=UnfoldAdminTextInputWidget()
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    new_traits = forms.ChoiceField(
        label=gettext_lazy("New traits"),
        choices=Source.NewTraits.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy(
            "What becomes of a trait that is neither mapped nor the name of a field or attribute."
        ),
    )

    def add_refusal(self, error: DomainError) -> None:
        """Show what the verb refused beside the fields."""
        if not error.problems:
            self.add_error("name", str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


class RotationForm(forms.Form):
    """How long the former keys go on working."""

    grace = forms.ChoiceField(
        label=gettext_lazy("The former keys work"),
        choices=_GRACES,
        initial=str(86_400),
        widget=UnfoldAdminSelectWidget(),
    )

    def grace_time(self) -> timedelta:
        """The time that was chosen."""
        return timedelta(seconds=int(self.cleaned_data["grace"]))


class SettingsPages(PagesAdmin, ObjectActionsAdmin):
    """The page, and its buttons."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.retire_view))
        name = "integrations_source_retire"
        return [path("<int:object_id>/settings/retire/", view, name=name), *super().get_urls()]

    def settings_view(self, request: HttpRequest, source: Source) -> HttpResponse:
        """The form; the keys; what one can do with the source."""
        may_change = actor_of(request).may(_CHANGE)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        form = SettingsForm(
            request.POST if request.method == "POST" else None,
            initial={name: getattr(source, name) for name in SettingsForm.base_fields},
        )
        if form.is_bound and form.is_valid():
            try:
                sources.change_source(
                    source.key,
                    values=form.cleaned_data,
                    actor=actor_of(request),
                    at=timezone.now(),
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                self.message_user(request, _("The settings are saved."))
                return HttpResponseRedirect(self.settings_url(source))
        if not may_change:
            for field in form.fields.values():
                field.disabled = True
        now = timezone.now()
        context = self.thing_context(request, source, page="settings", title=_("Settings"))
        context.update(
            form=form,
            may_change=may_change,
            buttons=self.buttons(request, source),
            keys=[
                {
                    "key": key,
                    "is_former": key.retires_at is not None and key.retires_at > now,
                    "is_retired": key.retires_at is not None and key.retires_at <= now,
                }
                for key in source.write_keys.all()
            ],
            working=sources.working_keys(source, at=now).count(),
            retire_url=reverse("admin:integrations_source_retire", args=[source.pk]),
            setup_url=reverse("admin:integrations_source_setup", args=[source.pk]),
        )
        return TemplateResponse(request, "integrations/settings.html", context)

    def settings_url(self, source: Source) -> str:
        """The address of the page."""
        return reverse("admin:integrations_source_settings", args=[source.pk])

    def retire_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let one write key stop at once."""
        source = self.visible_or_404(request, str(object_id))
        actor = actor_of(request)
        if not actor.may(_CHANGE):
            raise PermissionDenied
        number = request.POST.get("key", "")
        key_id = int(number) if number.isascii() and number.isdecimal() else 0
        try:
            sources.retire_write_key(source.key, key_id, actor=actor, at=timezone.now())
        except DomainError as error:
            self.message_user(request, str(error), "error")
        else:
            self.message_user(request, _("The key has stopped."))
        return HttpResponseRedirect(self.settings_url(source))

    def page_of(self, request: HttpRequest, thing: Any) -> str:
        """Buttons stand on the page of the settings."""
        return self.settings_url(thing)

    @object_action(
        gettext_lazy("New write key"),
        permission=_CHANGE,
        icon="autorenew",
        consequence=gettext_lazy(
            "A new key is made and shown on the page Set up. The former ones work for the time that"
            " you choose, so that nothing is lost while programs change over."
        ),
        confirm=gettext_lazy("Make a new key"),
        is_offered=lambda source: source.kind not in {Source.Kind.WEBHOOK, Source.Kind.VOUCHERIFY},
        form_class=RotationForm,
    )
    def rotate_key(
        self, request: HttpRequest, source: Source, form: RotationForm
    ) -> HttpResponseRedirect:
        grace = form.grace_time()
        sources.rotate_write_key(
            source.key, actor=actor_of(request), at=timezone.now(), grace=grace
        )
        told = (
            _("This is the new key. The former ones still work for a while.")
            if grace
            else _("This is the new key. The former ones have stopped.")
        )
        self.message_user(request, told)
        return HttpResponseRedirect(reverse("admin:integrations_source_setup", args=[source.pk]))

    @object_action(
        gettext_lazy("New signing secret"),
        permission=_CHANGE,
        icon="autorenew",
        consequence=gettext_lazy(
            "A new secret is made and shown on the page Set up. The former one is good for 24 hours"
            " more: paste the new one into Segment within that time."
        ),
        confirm=gettext_lazy("Make a new secret"),
        is_offered=lambda source: source.kind == Source.Kind.WEBHOOK,
    )
    def new_signing_secret(self, request: HttpRequest, source: Source) -> HttpResponseRedirect:
        sources.set_signing_secret(source.key, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("This is the new signing secret."))
        return HttpResponseRedirect(reverse("admin:integrations_source_setup", args=[source.pk]))

    @object_action(
        gettext_lazy("Ask for signed users"),
        permission=_CHANGE,
        icon="verified_user",
        consequence=lambda source: (
            _(
                "A new secret is made and shown on the page Set up. The former one is good for 24"
                " hours more."
            )
            if source.user_secret
            else _(
                "A secret is made and shown on the page Set up. From now on a browser or app gets"
                " somebody's push messages only with a userHash that your server made: add it to"
                " your pages at once. Those that subscribed before go on."
            )
        ),
        confirm=gettext_lazy("Make a secret"),
        is_offered=lambda source: source.kind == Source.Kind.WEB,
    )
    def new_user_secret(self, request: HttpRequest, source: Source) -> HttpResponseRedirect:
        user_hashes.set_user_secret(source.key, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("Users are signed with the secret on this page."))
        return HttpResponseRedirect(reverse("admin:integrations_source_setup", args=[source.pk]))

    @object_action(
        gettext_lazy("Ask for signed users no more"),
        permission=_CHANGE,
        icon="remove_moderator",
        variant="danger",
        consequence=gettext_lazy(
            "Whoever knows somebody's userId can then get his push messages on a browser of his"
            " own. The secret is forgotten."
        ),
        is_offered=lambda source: bool(source.user_secret),
    )
    def clear_user_secret(self, request: HttpRequest, source: Source) -> str:
        user_hashes.clear_user_secret(source.key, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” takes the word of its pages.") % {"name": source}

    @object_action(
        gettext_lazy("Enable"),
        permission=_CHANGE,
        icon="play_circle",
        consequence=gettext_lazy("Its events are taken again, with the keys that it has."),
        is_offered=lambda source: not source.is_enabled,
    )
    def enable(self, request: HttpRequest, source: Source) -> str:
        sources.enable_source(source.key, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” takes events.") % {"name": source}

    @object_action(
        gettext_lazy("Disable"),
        permission=_CHANGE,
        icon="pause_circle",
        variant="danger",
        consequence=lambda source: (
            _(
                "Everything that “%(name)s” sends from now on is refused with 401 and lost, unless"
                " the sender keeps it and tries again. What was received stays. You can enable it"
                " again."
            )
            % {"name": source}
        ),
        is_offered=lambda source: source.is_enabled,
    )
    def disable(self, request: HttpRequest, source: Source) -> str:
        sources.disable_source(source.key, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is disabled.") % {"name": source}
