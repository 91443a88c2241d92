"""Saved criteria on the screen: the list, the form, and keeping those of a segment by name."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from segments import facts, saved_criteria
from segments.admin.forms import arrange_groups, read_document, written
from segments.criteria import Catalog
from segments.definitions import NAME_LIMIT
from segments.errors import CriteriaRefused
from segments.masks import Mask
from segments.models import SavedCriteria, everyone
from segments.widgets import CriteriaWidget
from workspace import access
from workspace.access import Actor, actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.errors import DomainError

_KEPT = ("name", "description", "groups", "criteria")


class SavedCriteriaForm(forms.Form):
    """What may be written of saved criteria."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget()
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=63,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("For files and programs. Empty: made of the name. It stays."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    criteria = forms.CharField(label=gettext_lazy("Criteria"))

    def __init__(
        self, data: Any = None, *, actor: Actor, saved: SavedCriteria | None = None
    ) -> None:
        super().__init__(data, initial=_initial(saved, actor))
        kept = [] if saved is None else [group.name for group in saved.groups.all()]
        arrange_groups(self, actor, kept)
        self.builder = CriteriaWidget(actor=actor)
        self.fields["criteria"].widget = self.builder
        if saved is not None:
            del self.fields["key"]

    def clean_criteria(self) -> Any:
        document, problem = read_document(self.cleaned_data["criteria"])
        if problem is not None:
            self.builder.problems = (problem,)
            raise forms.ValidationError(problem.message)
        return document

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field; those of the criteria beside their paths."""
        if isinstance(error, CriteriaRefused):
            self.builder.problems = error.criteria_problems
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = problem.path.split("[")[0]
            self.add_error(name if name in self.fields else None, problem.message)


class KeepForm(SavedCriteriaForm):
    """The dialog on the form of a segment: a name, and whose they are."""

    def __init__(self, data: Any = None, *, actor: Actor) -> None:
        super().__init__(data, actor=actor)
        for name in ("key", "description", "criteria"):
            del self.fields[name]
        self.auto_id = "id_keep_%s"


@admin.register(SavedCriteria)
class SavedCriteriaAdmin(PagesAdmin, ObjectActionsAdmin):
    """Criteria kept by name, to begin segments with."""

    list_display = ("name_and_key", "owner", "updated_at")
    list_display_links = ("name_and_key",)
    list_select_related = ("owner",)
    search_fields = ("name", "key", "description")
    sortable_by = ("name_and_key", "updated_at")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("New saved criteria")
    empty_state = EmptyState(
        gettext_lazy(
            "Saved criteria are a description of contacts that you use again and again. Keep them"
            " once, begin any number of segments with them, or insert them while you build."
        ),
        icon="bookmark",
    )

    class Media:
        js = ("segments/segment_form.js",)
        css = {"all": ("segments/segment_form.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SavedCriteria]":
        found: QuerySet[SavedCriteria] = super().get_queryset(request)
        return access.visible(found, actor_of(request))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.keep_view))
        return [path("keep/", view, name="segments_savedcriteria_keep"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        # One catalog for all rows, for who reads them.
        catalog = facts.reading_catalog(actor_of(request))

        @admin.display(description=gettext_lazy("in words"))
        def sentence(saved: SavedCriteria) -> SafeString:
            return format_html('<span class="rg-break">{}</span>', _sentence(saved, catalog))

        name, *others = self.list_display
        return (name, sentence, *others)

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_key(self, saved: SavedCriteria) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            saved.name,
            saved.key,
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """New saved criteria."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_view(request, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Saved criteria, to change them or to look at them."""
        return self._form_view(request, self.visible_or_404(request, object_id))

    def keep_view(self, request: HttpRequest) -> HttpResponseBase:
        """Keep the criteria of a form of a segment; answers JSON."""
        actor = actor_of(request)
        if not actor.may("segments.add_savedcriteria"):
            raise PermissionDenied
        document, problem = read_document(request.POST.get("criteria", ""))
        form = KeepForm(request.POST, actor=actor)
        if problem is not None or not form.is_valid():
            message = problem.message if problem else _first_error(form)
            return JsonResponse({"message": message}, status=400)
        try:
            saved = saved_criteria.create_saved_criteria(
                actor=actor, at=timezone.now(), criteria=document, **form.cleaned_data
            )
        except DomainError as error:
            return JsonResponse({"message": str(error)}, status=error.status)
        address = reverse("admin:segments_savedcriteria_change", args=[saved.pk])
        return JsonResponse({"name": saved.name, "url": address, "text": _("Criteria kept as")})

    def _form_view(self, request: HttpRequest, saved: SavedCriteria | None) -> HttpResponse:
        actor = actor_of(request)
        may_write = saved is None or self.has_change_permission(request, saved)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        form = SavedCriteriaForm(request.POST if is_post else None, actor=actor, saved=saved)
        if is_post and form.is_valid() and (kept := self._save(request, form, saved)):
            return HttpResponseRedirect(self.page_of(request, kept))
        form.builder.is_read_only = not may_write
        title = saved.name if saved else _("New saved criteria")
        context: dict[str, Any] = page_context(self, request, title=title, thing=saved)
        context.update(form=form, media=self.media + form.media, may_write=may_write, thing=saved)
        if saved is not None:
            context.update(
                buttons=self.buttons(request, saved),
                links=self._links(actor, saved),
                sentence=_sentence(saved, facts.reading_catalog(actor)),
            )
        return TemplateResponse(request, "segments/saved_criteria_form.html", context)

    def _save(
        self, request: HttpRequest, form: SavedCriteriaForm, saved: SavedCriteria | None
    ) -> SavedCriteria | None:
        given: dict[str, Any] = {
            **form.cleaned_data,
            "actor": actor_of(request),
            "at": timezone.now(),
        }
        try:
            if saved is None:
                kept = saved_criteria.create_saved_criteria(**given)
            else:
                kept = saved_criteria.update_saved_criteria(saved, **given)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": kept}, messages.SUCCESS)
        return kept

    def _links(self, actor: Actor, saved: SavedCriteria) -> list[dict[str, Any]]:
        if not actor.may("segments.add_segment"):
            return []
        url = reverse("admin:segments_segment_add") + f"?start=saved:{saved.key}"
        return [{"title": _("Begin a segment with them"), "url": url, "icon": "donut_small"}]

    @object_action(
        gettext_lazy("Delete"),
        permission="segments.delete_savedcriteria",
        icon="delete",
        variant="danger",
        consequence=lambda saved: (
            _(
                "“%(name)s” can no longer be chosen to begin a segment with. Segments that began"
                " with it keep their own copy of the criteria. This cannot be undone."
            )
            % {"name": saved}
        ),
    )
    def delete_saved(self, request: HttpRequest, saved: SavedCriteria) -> HttpResponse:
        saved_criteria.delete_saved_criteria(saved, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": saved})
        return HttpResponseRedirect(reverse("admin:segments_savedcriteria_changelist"))


def _initial(saved: SavedCriteria | None, actor: Actor) -> dict[str, Any]:
    if saved is None:
        return {"criteria": written(everyone())}
    return {
        "name": saved.name,
        "description": saved.description,
        "groups": [group.name for group in saved.groups.all()],
        "criteria": written(Mask(actor).of(saved.criteria)),
    }


def _sentence(saved: SavedCriteria, catalog: Catalog) -> str:
    try:
        tree = facts.parse_criteria(saved.criteria, access.SYSTEM, catalog=catalog)
    except CriteriaRefused as refused:
        return str(refused)
    return facts.explain(tree)


def _first_error(form: forms.Form) -> str:
    for name, errors in form.errors.items():
        label = form.fields[name].label if name in form.fields else ""
        return f"{label}: {errors[0]}" if label else str(errors[0])
    return ""
