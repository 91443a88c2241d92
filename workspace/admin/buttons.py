"""Buttons that act on one object: posted, never got, after a dialog that says what will happen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from workspace.access import Actor, actor_of
from workspace.errors import DomainError

_Text = Any  # a text, or a lazily translated one


@dataclass(frozen=True, slots=True)
class Affected:
    """One thing that a button changes besides its object: a line in the dialog.

    `label` is its kind, `note` what becomes of it.
    """

    label: _Text
    name: str
    url: str = ""
    note: _Text = ""


@dataclass(frozen=True, slots=True)
class Affects:
    """What a button changes besides its object, and the sentence over it."""

    text: _Text
    things: Sequence[Affected] = ()


@dataclass(frozen=True, slots=True)
class ObjectAction:
    """What a method marked by `object_action` looks like as a button.

    `permission` is a name ("app.verb_model"), or a function of the actor and the object.
    `consequence` is said before anything happens: a text, or a function of the object.
    `is_offered` decides by the object's own state; `form_class` asks for more in the dialog.
    `affects` lists, for this person and object, what else the button changes.
    """

    label: _Text
    permission: str | Callable[[Actor, Any], bool]
    consequence: _Text | Callable[[Any], _Text]
    icon: str = ""
    variant: str = "default"
    confirm: _Text = ""
    is_offered: Callable[[Any], bool] = lambda thing: True
    form_class: type[forms.Form] | None = None
    affects: Callable[[Actor, Any], Affects] | None = None

    def is_allowed(self, actor: Actor, thing: Any) -> bool:
        """Whether this person may press it."""
        if isinstance(self.permission, str):
            return actor.may(self.permission)
        return self.permission(actor, thing)

    def consequence_for(self, thing: Any) -> str:
        """The sentence for this one object."""
        return str(self.consequence(thing) if callable(self.consequence) else self.consequence)


def object_action(
    label: _Text,
    *,
    permission: str | Callable[[Actor, Any], bool],
    consequence: _Text | Callable[[Any], _Text],
    icon: str = "",
    variant: str = "default",
    confirm: _Text = "",
    is_offered: Callable[[Any], bool] = lambda thing: True,
    form_class: type[forms.Form] | None = None,
    affects: Callable[[Actor, Any], Affects] | None = None,
) -> Callable[[Any], Any]:
    """Mark a method of an ObjectActionsAdmin as a button on the page of one object.

    The method gets (request, object) and, with a `form_class`, its valid form; it calls one verb
    and returns the sentence to show, or an answer of its own.
    """

    def mark(method: Any) -> Any:
        method.object_action = ObjectAction(
            label, permission, consequence, icon, variant, confirm, is_offered, form_class, affects
        )
        return method

    return mark


class ObjectActionsAdmin(ModelAdmin):
    """Shows the methods marked by `object_action` as buttons with a dialog.

    A DomainError becomes a message; anything else is a defect and surfaces.
    """

    change_form_template = "workspace/change_form.html"

    def object_actions(self) -> dict[str, ObjectAction]:
        """The marked methods by name, in the order in which the class defines them."""
        found: dict[str, ObjectAction] = {}
        for owner in reversed(type(self).__mro__):
            for name, method in vars(owner).items():
                if isinstance(spec := getattr(method, "object_action", None), ObjectAction):
                    found[name] = spec
        return found

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.run_object_action))
        name = f"{self.opts.app_label}_{self.opts.model_name}_action"
        own = path("<path:object_id>/action/<slug:action>/", view, name=name)
        return [own, *super().get_urls()]

    def run_object_action(
        self, request: HttpRequest, object_id: str, action: str
    ) -> HttpResponseBase:
        """Do what a button says, and go back to the page of the object."""
        spec = self.object_actions().get(action)
        if spec is None:
            raise Http404
        thing = self.get_object(request, object_id)
        if thing is None:
            raise Http404
        if not spec.is_allowed(actor_of(request), thing):
            raise PermissionDenied
        arguments: list[Any] = [request, thing]
        if spec.form_class is not None:
            form = spec.form_class(request.POST)
            if not form.is_valid():
                self.message_user(request, _first_error(form), messages.ERROR)
                return HttpResponseRedirect(self.page_of(request, thing))
            arguments.append(form)
        try:
            answer = getattr(self, action)(*arguments)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(self.page_of(request, thing))
        if isinstance(answer, HttpResponseBase):
            return answer
        self.message_user(request, answer, messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(request, thing))

    def page_of(self, request: HttpRequest, thing: Model) -> str:
        """Where to go after a button."""
        return reverse(
            f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change",
            args=[thing.pk],
        )

    def buttons(self, request: HttpRequest, thing: Model) -> list[dict[str, Any]]:
        """The buttons that this person may press on this object, for the template."""
        actor = actor_of(request)
        address = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_action"
        return [
            {
                "name": name,
                "spec": spec,
                "consequence": spec.consequence_for(thing),
                "affects": spec.affects(actor, thing) if spec.affects else None,
                "url": reverse(address, args=[thing.pk, name]),
                "form": spec.form_class() if spec.form_class else None,
            }
            for name, spec in self.object_actions().items()
            if spec.is_allowed(actor, thing) and spec.is_offered(thing)
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        thing = context.get("original")
        context["buttons"] = [] if thing is None else self.buttons(request, thing)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer


def _first_error(form: forms.Form) -> str:
    for name, errors in form.errors.items():
        field = form.fields.get(name)
        label = str(field.label or name) if field else ""
        return f"{label}: {errors[0]}" if label else str(errors[0])
    return ""
