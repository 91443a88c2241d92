"""Staff, the roles that say what people may do, and the user groups that say what they see."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from workspace import access, user_groups
from workspace.access import actor_of
from workspace.admin.audited import AuditedAdmin
from workspace.admin.buttons import ObjectActionsAdmin, object_action
from workspace.admin.pages import EmptyState, PagesAdmin
from workspace.admin.pictures import badge, chips, number
from workspace.effective import ROOMS, effective, rights_of
from workspace.models import User, UserGroup
from workspace.roles import ROLES
from workspace.user_groups import Entity

_ADMINISTRATOR = ROLES["administrator"].name


class _Groups(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Groups to tick, each with what it is for."""

    def label_from_instance(self, group: Any) -> str:
        settings = getattr(group, "settings", None)
        told = settings.description if settings is not None else ""
        return f"{group.name}: {told}" if told else str(group.name)


class StaffForm(UserChangeForm):
    """A person of the staff with his roles and user groups."""

    roles = _Groups(
        label=gettext_lazy("Roles"),
        queryset=Group.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("What this person may do."),
    )
    user_groups = _Groups(
        label=gettext_lazy("User groups"),
        queryset=Group.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy(
            "Which segments and exports this person sees: those of these groups, and segments"
            " that belong to none."
        ),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        known = access.user_groups()
        choices = {
            "roles": Group.objects.filter(settings__is_role=True).order_by("name"),
            "user_groups": known,
        }
        for name in choices.keys() & self.fields.keys():
            field: Any = self.fields[name]
            field.queryset = choices[name].select_related("settings")
            his = self.instance.groups.all() if self.instance.pk else Group.objects.none()
            chosen = set(his.values_list("pk", flat=True))
            if name == "roles" and self.instance.is_superuser:
                chosen |= set(
                    Group.objects.filter(name=_ADMINISTRATOR).values_list("pk", flat=True)
                )
            self.initial[name] = [group for group in choices[name] if group.pk in chosen]

    def clean_roles(self) -> Any:
        roles = self.cleaned_data["roles"]
        person = self.instance
        gives_up = person.is_superuser and _ADMINISTRATOR not in {role.name for role in roles}
        others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=person.pk)
        if gives_up and not others.exists():
            raise forms.ValidationError(
                _("This is the last administrator. Make another one before you take the role away.")
            )
        return roles


@admin.register(User)
class UserAdmin(PagesAdmin, AuditedAdmin, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """People who work in the back office."""

    form = StaffForm
    change_form_template = "workspace/change_form.html"
    thing_pages = (("access", gettext_lazy("What this person may see and do"), "access_view"),)
    first_page_label = gettext_lazy("Person")
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "name", "role_names", "group_names", "last_login", "active")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    compressed_fields = True
    fieldsets = (
        (None, {"fields": (("username", "email"), ("first_name", "last_name"), "password")}),
        (
            gettext_lazy("What this person may do and see"),
            {
                "fields": ("is_active", "is_staff", "roles", "user_groups"),
            },
        ),
        (gettext_lazy("Dates"), {"fields": (("last_login", "date_joined"),)}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "usable_password", "password1", "password2"),
            },
        ),
    )
    empty_state = EmptyState(gettext_lazy("Everybody who logs in here."), icon="badge")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        people: QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related("groups__settings")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        # Only an administrator makes administrators, or gives away groups and roles.
        hidden = () if request.user.is_superuser else ("role_names", "group_names")
        return (*fields, *hidden)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.is_superuser:
            return fieldsets
        shown = ("is_active", "is_staff", "role_names", "group_names")
        return [
            (title, {**options, "fields": shown} if "roles" in options["fields"] else options)
            for title, options in fieldsets
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and (obj.pk == request.user.pk or obj.is_superuser):
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_form(  # type: ignore[override]  # As the one of Django's UserAdmin that it extends.
        self, request: HttpRequest, obj: Any = None, **options: Any
    ) -> Any:
        if obj is not None and not request.user.is_superuser:
            # Without the fields at all: what is only not shown could be sent.
            options["form"] = UserChangeForm
        form: Any = super().get_form(request, obj, **options)
        if "is_staff" in form.base_fields:
            form.base_fields["is_staff"].label = gettext_lazy("May log in")
            form.base_fields["is_staff"].help_text = ""
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> Any:
        person = options.get("obj")
        if person is not None:
            context["thing_tabs"] = self.tabs_of(request, person)
        return super().render_change_form(request, context, *args, **options)

    def access_view(self, request: HttpRequest, person: User) -> HttpResponse:
        """What a person may see and do, by which role and group."""
        found = effective(person)
        context = self.thing_context(
            request, person, page="access", title=person.get_full_name() or person.username
        )
        context.update(
            person=person,
            found=found,
            holdings=[
                (group, user_groups.holdings(group, actor=actor_of(request)))
                for group in found.groups
            ],
            is_scoped=access.group_required(Entity.SEGMENT),
        )
        return TemplateResponse(request, "workspace/person_access.html", context)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True
        if "roles" in form.cleaned_data:
            names = {role.name for role in form.cleaned_data["roles"]}
            obj.is_superuser = _ADMINISTRATOR in names
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "roles" in form.cleaned_data:
            chosen = form.cleaned_data
            form.instance.groups.set([*chosen["roles"], *chosen["user_groups"]])

    @admin.display(description=gettext_lazy("name"))
    def name(self, person: User) -> str:
        return person.get_full_name() or "–"

    @admin.display(description=gettext_lazy("roles"))
    def role_names(self, person: User) -> SafeString:
        if person.is_superuser:
            return badge(_("administrator"), "info", "shield_person")
        names = [group.name for group in person.groups.all() if _is_role(group)]
        return chips(names) if names else badge(_("none"), "warning")

    @admin.display(description=gettext_lazy("user groups"))
    def group_names(self, person: User) -> SafeString:
        return chips([group.name for group in person.groups.all() if not _is_role(group)])

    @admin.display(description=gettext_lazy("state"))
    def active(self, person: User) -> SafeString:
        return badge(_("active"), "good") if person.is_active else badge(_("closed"), "bad")


def _is_role(group: Any) -> bool:
    settings = getattr(group, "settings", None)
    return settings is not None and settings.is_role


class UserGroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """What belongs to a group: a switch for each kind of thing."""

    scopes_segments = forms.BooleanField(
        label=gettext_lazy("Segments belong to user groups"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=gettext_lazy(
            "On in one group, it holds for all: every new segment needs a user group, and people"
            " outside its groups learn neither its name nor that there is one. Segments without a"
            " group stay visible to everybody until somebody chooses one. Off again, no group is"
            " asked for; segments that have one are still seen by its people only."
        ),
    )
    scopes_exports = forms.BooleanField(
        label=gettext_lazy("Exports belong to user groups"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=gettext_lazy(
            "On in one group, it holds for all: the files and schedules of a group are seen and"
            " fetched by all its people, instead of only by who asked for them."
        ),
    )

    class Meta:
        model = UserGroup
        fields = ("scopes_segments", "scopes_exports", "is_role", "description")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    _SWITCHES = {"scopes_segments": Entity.SEGMENT, "scopes_exports": Entity.EXPORT}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, entity in self._SWITCHES.items():
            self.initial[name] = entity in self.instance.entities

    def clean_is_role(self) -> bool:
        is_role = bool(self.cleaned_data["is_role"])
        group = getattr(self.instance, "group", None)
        if is_role and group is not None and group.pk and user_groups.is_holding(group):
            raise forms.ValidationError(
                _("Things belong to this group, and none can belong to a role.")
            )
        return is_role

    def save(self, commit: bool = True) -> Any:
        self.instance.entities = [
            entity for name, entity in self._SWITCHES.items() if self.cleaned_data.get(name)
        ]
        return super().save(commit)


class UserGroupInline(StackedInline):
    """The settings of a group, on its own page."""

    model = UserGroup
    form = UserGroupForm
    verbose_name_plural = gettext_lazy("Settings")
    can_delete = False
    min_num = 1
    max_num = 1
    extra = 0

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and _is_role(obj):
            return ("is_role", "description")
        return ("scopes_segments", "scopes_exports", "is_role", "description")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_ready = obj is not None and user_groups.is_ready_role(obj)
        return not is_ready and bool(super().has_change_permission(request, obj))


class DeletionForm(forms.Form):
    """To whom the things of a group go."""

    heir = forms.ModelChoiceField(
        label=gettext_lazy("What belongs to it goes to"),
        queryset=Group.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        heir: Any = self.fields["heir"]
        heir.queryset = access.user_groups()


def _list_of(holding: user_groups.Holding, group: Group) -> str:
    """The address of the list of these things; empty where it cannot show those of one group."""
    kind = holding.kind
    if not kind.list_filter:
        return ""
    meta = kind.model._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return f"{address}?{kind.list_filter}={group.pk}"


def _what_deleting_does(group: Group) -> str:
    people = group.user_set.count()
    if _is_role(group):
        return _("%(people)d people lose what this role lets them do. It cannot be undone.") % {
            "people": people
        }
    told = user_groups.holdings(group, actor=access.SYSTEM)
    if not told:
        return _("Nothing belongs to “%(name)s”. %(people)d people leave it.") % {
            "name": group.name,
            "people": people,
        }
    things = ", ".join(f"{number(held.count)} {held.label}" for held in told)
    return _(
        "%(things)s belong to “%(name)s”. Choose the group that gets them: its people will see"
        " them, the %(people)d people of “%(name)s” will not, unless they are in both. It cannot"
        " be undone."
    ) % {"things": things, "name": group.name, "people": people}


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ObjectActionsAdmin, AuditedAdmin, DjangoGroupAdmin):
    """User groups: what is whose; roles: who may do what."""

    change_form_template = "workspace/group_form.html"  # type: ignore[misc]  # a class's, there, too
    list_display = ("name", "kind", "scopes", "people")
    inlines = (UserGroupInline,)
    filter_horizontal = ()
    search_fields = ("name",)
    actions = None
    empty_state = EmptyState(
        gettext_lazy(
            "A user group decides whose a segment or an export is. A role is a group that gives"
            " permissions."
        ),
        icon="group",
    )

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **options: Any
    ) -> Any:
        if db_field.name != "permissions":
            return super().formfield_for_manytomany(db_field, request, **options)
        # Our rooms' permissions; those of Django's own tables would only confuse.
        ours = Permission.objects.filter(content_type__app_label__in=ROOMS)
        options["widget"] = UnfoldAdminSelect2MultipleWidget()
        options["queryset"] = ours.select_related("content_type")
        field: Any = super().formfield_for_manytomany(db_field, request, **options)
        # The theme takes the class away by which its script finds the widget.
        field.widget.attrs["class"] = "unfold-admin-autocomplete admin-autocomplete"
        field.help_text = gettext_lazy("For roles: what people with it may do.")
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Only an administrator gives permissions: who gives them could give them to himself.
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, "permissions")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Only roles give permissions; a group that has some from before shows them. What a ready
        # role gives stands on its page in words.
        if obj is not None and user_groups.is_ready_role(obj):
            return ("name",)
        gives = obj is None or _is_role(obj) or obj.permissions.exists()
        return ("name", "permissions") if gives else ("name",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and user_groups.is_ready_role(obj):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button, which says first what happens to what belongs to the group.
        return False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> Any:
        group = options.get("obj")
        if group is not None:
            context.update(self._standing(request, group))
        return super().render_change_form(request, context, *args, **options)

    def _standing(self, request: HttpRequest, group: Group) -> dict[str, Any]:
        """Who is in a group and what belongs to it, for the top of its page."""
        actor = actor_of(request)
        held = user_groups.holdings(group, actor=actor)
        programs: Any = group
        return {
            "is_role": _is_role(group),
            "is_ready": user_groups.is_ready_role(group),
            "members": list(group.user_set.order_by("username")[:100]),
            "programs": list(programs.api_users.order_by("name")[:100]),
            "held": [(holding, _list_of(holding, group)) for holding in held],
            "lacking": user_groups.lacking(Entity.SEGMENT) if actor.is_admin else 0,
            "rights": rights_of(group.permissions.select_related("content_type")),
        }

    @object_action(
        gettext_lazy("Delete"),
        permission=lambda actor, group: actor.is_admin,
        icon="delete",
        variant="danger",
        consequence=_what_deleting_does,
        confirm=gettext_lazy("Delete for ever"),
        is_offered=lambda group: not user_groups.is_ready_role(group),
        form_class=DeletionForm,
    )
    def delete_group(self, request: HttpRequest, group: Group, form: DeletionForm) -> HttpResponse:
        name = group.name
        user_groups.delete_group(
            group, actor=actor_of(request), at=timezone.now(), heir=form.cleaned_data["heir"]
        )
        self.message_user(request, _("“%(name)s” is deleted.") % {"name": name}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:auth_group_changelist"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Group]":
        groups: QuerySet[Group] = super().get_queryset(request)
        return groups.select_related("settings").annotate(people_count=Count("user"))

    @admin.display(description=gettext_lazy("kind"))
    def kind(self, group: Any) -> SafeString:
        settings = getattr(group, "settings", None)
        if settings is not None and settings.is_role:
            told = _("ready role") if settings.is_ready else _("role")
            return badge(told, "info", "key")
        return badge(_("user group"), "neutral", "group")

    @admin.display(description=gettext_lazy("scopes"))
    def scopes(self, group: Any) -> SafeString:
        settings = getattr(group, "settings", None)
        labels = dict(UserGroup.Entity.choices)
        return chips([str(labels[e]) for e in settings.entities] if settings else [])

    @admin.display(description=gettext_lazy("people"), ordering="people_count")
    def people(self, group: Any) -> int:
        return int(group.people_count)
