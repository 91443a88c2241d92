"""Staff and their user groups."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextareaWidget,
)

from workspace.admin.audited import AuditedAdmin
from workspace.admin.pages import EmptyState
from workspace.admin.pictures import badge, chips
from workspace.models import User, UserGroup

_ROOMS = (
    *("workspace", "contacts", "segments", "loyalty", "journeys", "integrations"),
    *("auth", "django_celery_beat"),
)


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """People who work in the back office."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "name", "role", "group_names", "last_login", "active")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    autocomplete_fields = ("groups",)
    readonly_fields = ("last_login", "date_joined")
    compressed_fields = True
    fieldsets = (
        (None, {"fields": (("username", "email"), ("first_name", "last_name"), "password")}),
        (
            gettext_lazy("What this person may do"),
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups"),
                "description": gettext_lazy(
                    "Roles are groups with permissions. Other groups decide which segments and"
                    " exports this person sees."
                ),
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
        return people.prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        # Only an administrator makes administrators, or gives away groups and roles.
        return fields if request.user.is_superuser else (*fields, "is_superuser", "groups")

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
        form: Any = super().get_form(request, obj, **options)
        for name, label in (
            ("is_staff", gettext_lazy("May log in")),
            ("is_superuser", gettext_lazy("Administrator: may do and see everything")),
        ):
            if name in form.base_fields:
                form.base_fields[name].label = label
                form.base_fields[name].help_text = ""
        return form

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("name"))
    def name(self, person: User) -> str:
        return person.get_full_name() or "–"

    @admin.display(description=gettext_lazy("role"))
    def role(self, person: User) -> SafeString:
        if person.is_superuser:
            return badge(_("administrator"), "info", "shield_person")
        return badge(_("staff"))

    @admin.display(description=gettext_lazy("groups"))
    def group_names(self, person: User) -> SafeString:
        return chips([group.name for group in person.groups.all()])

    @admin.display(description=gettext_lazy("state"))
    def active(self, person: User) -> SafeString:
        return badge(_("active"), "good") if person.is_active else badge(_("closed"), "bad")


class UserGroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """What belongs to a group."""

    entities = forms.MultipleChoiceField(
        label=gettext_lazy("Scoped entities"),
        choices=UserGroup.Entity.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy(
            "As soon as one group scopes segments, every segment needs a group, and only the"
            " people of its groups see it."
        ),
    )

    class Meta:
        model = UserGroup
        fields = ("entities", "is_role", "description")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}


class UserGroupInline(StackedInline):
    """The settings of a group, on its own page."""

    model = UserGroup
    form = UserGroupForm
    can_delete = False
    min_num = 1
    max_num = 1
    extra = 0


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin, ModelAdmin):
    """User groups: what is whose; roles: who may do what."""

    list_display = ("name", "kind", "scopes", "people")
    inlines = (UserGroupInline,)
    filter_horizontal = ()
    search_fields = ("name",)
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
        ours = Permission.objects.filter(content_type__app_label__in=_ROOMS)
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

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Group]":
        groups: QuerySet[Group] = super().get_queryset(request)
        return groups.select_related("settings").annotate(people_count=Count("user"))

    @admin.display(description=gettext_lazy("kind"))
    def kind(self, group: Any) -> SafeString:
        settings = getattr(group, "settings", None)
        if settings is not None and settings.is_role:
            return badge(_("role"), "info", "key")
        return badge(_("user group"), "neutral", "group")

    @admin.display(description=gettext_lazy("scopes"))
    def scopes(self, group: Any) -> SafeString:
        settings = getattr(group, "settings", None)
        labels = dict(UserGroup.Entity.choices)
        return chips([str(labels[e]) for e in settings.entities] if settings else [])

    @admin.display(description=gettext_lazy("people"), ordering="people_count")
    def people(self, group: Any) -> int:
        return int(group.people_count)
