"""People we know: who they are, what they allow, what they did.

The tables with many rows per contact follow the cluster rule: every primary and unique key
contains `contact_id`, foreign keys go to the contact or to small tables. On the largest of them
the database does not check the key to the contact (`db_constraint=False`): contacts are erased,
never deleted, and a check per row would cost more than the row itself.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder
from workspace.models import Website

validate_key = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z",
    _("A key is up to 63 letters, digits, _ and -, beginning with a letter or digit."),
)


class KeyField(models.CharField):  # type: ignore[type-arg]
    """A stable slug by which criteria, files and programs name a definition."""

    def __init__(self, **options: object) -> None:
        options.setdefault("max_length", 63)
        options.setdefault("unique", True)
        options.setdefault("validators", [validate_key])
        options.setdefault("verbose_name", _("key"))
        super().__init__(**options)  # type: ignore[arg-type]


class Contact(models.Model):
    """A person we know. Factory fields are columns, custom attributes one JSON object.

    Empty text is missing. `email` is written as the person writes it; its uniqueness lives in
    `Identity`. An erased contact keeps its row, with nothing personal in it, so that ledgers
    above still add up. Ids are never reused.
    """

    email = models.TextField(_("e-mail"), blank=True, default="", db_default="")
    phone = models.TextField(_("phone"), blank=True, default="", db_default="")
    first_name = models.TextField(_("first name"), blank=True, default="", db_default="")
    last_name = models.TextField(_("last name"), blank=True, default="", db_default="")
    gender = models.TextField(_("gender"), blank=True, default="", db_default="")
    country = models.TextField(_("country"), blank=True, default="", db_default="")
    city = models.TextField(_("city"), blank=True, default="", db_default="")
    postal_code = models.TextField(_("postal code"), blank=True, default="", db_default="")
    language = models.TextField(_("language"), blank=True, default="", db_default="")
    time_zone = models.TextField(_("time zone"), blank=True, default="", db_default="")
    birth_date = models.DateField(_("birth date"), null=True, blank=True)
    lead_score = models.DecimalField(
        _("lead score"), max_digits=14, decimal_places=4, default=0, db_default=0
    )
    attributes = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        encoder=ExactJSONEncoder,
        decoder=ExactJSONDecoder,
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("updated"), db_default=Now())
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_demo = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        permissions = [("merge_contact", "Can merge contacts")]
        constraints = [
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True)
                | Q(email="", phone="", first_name="", last_name="", attributes={}),
                name="contacts_contact_erased_is_empty",
            ),
        ]
        indexes = [
            # With what criteria need besides, so that the index alone answers.
            models.Index(
                fields=["city", "birth_date"],
                include=["id", "erased_at"],
                name="contacts_contact_city_birth",
            ),
            models.Index(
                fields=["city", "lead_score"],
                include=["id", "erased_at"],
                name="contacts_contact_city_score",
            ),
            models.Index(fields=["lead_score"], name="contacts_contact_lead_score"),
            models.Index(fields=["created_at", "id"], name="contacts_contact_created"),
            models.Index(
                OpClass(F("email"), name="text_pattern_ops"), name="contacts_contact_email"
            ),
            models.Index(
                OpClass(F("last_name"), name="text_pattern_ops"), name="contacts_contact_last_name"
            ),
            models.Index(fields=["id"], name="contacts_contact_demo", condition=Q(is_demo=True)),
            models.Index(
                fields=["id"],
                name="contacts_contact_erased",
                condition=Q(erased_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        name = f"{self.first_name} {self.last_name}".strip()
        return name or self.email or f"#{self.pk}"


class Identity(models.Model):
    """A name by which a system knows a contact: unique in its namespace.

    A table of its own, so that uniqueness does not need the contact's table (cluster rule).
    `email` values are trimmed and lower-cased; `user_id` is the API's `external_id`.

    `created_at` is since when it names this contact: the oldest of a namespace comes first.
    `learned_at` is when it was learned, where another contact had it before, until a merge.
    `cause` says who told ("source:shop"), `evidence` by what ("identify, message 4711").
    """

    pk = models.CompositePrimaryKey("namespace", "value")
    namespace = models.CharField(max_length=40)
    value = models.CharField(max_length=320)
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="identities", db_constraint=False
    )
    created_at = models.DateTimeField(db_default=Now())
    learned_at = models.DateTimeField(null=True)
    cause = models.CharField(max_length=60, blank=True, default="", db_default="")
    evidence = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.CheckConstraint(condition=~Q(value=""), name="contacts_identity_has_a_value")
        ]

    def __str__(self) -> str:
        return f"{self.namespace}:{self.value}"


class IdentityRule(models.Model):
    """What is special about the identities of a namespace; without a row the defaults hold.

    A smaller `priority` is the stronger. `value_limit` is how many values a contact may have,
    `blocked_values` never name anybody. Without `merges` a name that another contact has is left
    to that contact, instead of making one contact of both.
    """

    namespace = models.CharField(_("namespace"), max_length=40, primary_key=True)
    priority = models.PositiveSmallIntegerField(
        _("priority"),
        help_text=_("The smaller, the stronger: where names contradict, the weaker is left out."),
    )
    value_limit = models.PositiveSmallIntegerField(
        _("values per contact"), help_text=_("No contact is given more of them by itself.")
    )
    merges = models.BooleanField(
        _("merges contacts"),
        default=True,
        help_text=_("Off: a name that another contact has never makes one contact of both."),
    )
    blocked_values = ArrayField(
        models.CharField(max_length=320),
        verbose_name=_("blocked values"),
        default=list,
        blank=True,
    )

    class Meta:
        verbose_name = _("identity rule")
        verbose_name_plural = _("identity rules")
        ordering = ["priority", "namespace"]
        constraints = [
            models.CheckConstraint(
                condition=Q(value_limit__gte=1), name="contacts_identityrule_allows_one"
            )
        ]

    def __str__(self) -> str:
        return self.namespace


class ContactMerge(models.Model):
    """Two contacts were found to be one person: the loser's row is empty, the survivor has all.

    `into_id` is the contact it was merged into, `survivor` the one that stands for it now, which
    differs where that one was merged later. `names` are the two identities that were one person's,
    `moved` counts what went over, `dropped` keeps values of the loser that the survivor's won
    over. Erasing the survivor empties what tells of the person.
    """

    loser = models.OneToOneField(
        Contact,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="merged_into",
    )
    survivor = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, related_name="merges"
    )
    into_id = models.BigIntegerField()
    at = models.DateTimeField()
    cause = models.CharField(max_length=60)
    evidence = models.CharField(max_length=200, blank=True, default="", db_default="")
    actor = models.CharField(max_length=200, blank=True, default="", db_default="")
    names = models.JSONField(default=list, db_default=[])
    moved = models.JSONField(default=dict, db_default={})
    dropped = models.JSONField(
        default=dict, db_default={}, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )

    class Meta:
        verbose_name = _("merge of contacts")
        verbose_name_plural = _("merges of contacts")
        ordering = ["-at", "-loser"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(loser=models.F("survivor")),
                name="contacts_contactmerge_of_two",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.loser_id} → #{self.survivor_id}"


class LastSeen(models.Model):
    """When a contact last did anything. Apart from the contact, whose pages must stay quiet."""

    contact = models.OneToOneField(
        Contact, on_delete=models.CASCADE, primary_key=True, db_constraint=False
    )
    last_seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["last_seen_at"], name="contacts_lastseen_at")]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.last_seen_at}"


class AttributeDefinition(models.Model):
    """A custom attribute: its values are kept in `Contact.attributes` under `key`.

    Values are canonical by type: text; number (exact decimal); true or false; "YYYY-MM-DD";
    "YYYY-MM-DDTHH:MM:SS.ffffffZ" in UTC; list of texts. A missing value has no key.
    """

    class Type(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        BOOLEAN = "boolean", _("yes or no")
        DATE = "date", _("date")
        DATETIME = "datetime", _("date and time")
        LIST = "list", _("list of choices")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    label = models.CharField(_("label"), max_length=120)
    type = models.CharField(_("type"), max_length=8, choices=Type, default=Type.TEXT)
    choices = models.JSONField(
        _("choices"),
        default=list,
        blank=True,
        help_text=_("The values allowed, as a list of texts. Empty: any value."),
    )
    description = models.TextField(_("description"), blank=True, default="")
    is_indexed = models.BooleanField(default=False, editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("custom attribute")
        verbose_name_plural = _("custom attributes")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.label


class LabelledKey(models.Model):
    """A key with a label: what tags, categories and consents have in common."""

    id = models.AutoField(primary_key=True)
    key = KeyField()
    label = models.CharField(_("label"), max_length=120)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.label


class Tag(LabelledKey):
    """A word that staff or a journey attached to contacts."""

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["key"]


class Category(LabelledKey):
    """An interest or kind that contacts belong to."""

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["key"]


class ConsentDefinition(LabelledKey):
    """Something a contact may allow, for example "newsletter".

    `translations` are its words in other languages: {"pl": {"label", "description"}}. One that is
    not public is shown on no page of the contact's.
    """

    description = models.TextField(
        _("description"), blank=True, default="", help_text=_("The words shown to the person.")
    )
    is_public = models.BooleanField(
        _("shown to customers"),
        default=True,
        db_default=True,
        help_text=_("On the page where they choose what they get. Off: staff and programs only."),
    )
    translations = models.JSONField(
        _("in other languages"), blank=True, default=dict, db_default={}
    )

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["key"]


class ContactTag(models.Model):
    """A tag on a contact."""

    pk = models.CompositePrimaryKey("contact_id", "tag_id")
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, db_index=False)
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["tag", "contact"], name="contacts_contacttag_back")]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.tag_id}"


class ContactCategory(models.Model):
    """A category of a contact."""

    pk = models.CompositePrimaryKey("contact_id", "category_id")
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    category = models.ForeignKey(Category, on_delete=models.CASCADE, db_index=False)
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["category", "contact"], name="contacts_contactcategory_back")
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.category_id}"


class ConsentEntry(models.Model):
    """One line of the consent ledger: what was granted or withdrawn, when, where and by whom.

    Append-only. A database trigger derives `ConsentState` from it, in whatever order lines come:
    the line with the greatest `at` counts, of equal ones the one written last.
    """

    class State(models.TextChoices):
        GRANTED = "granted", _("granted")
        WITHDRAWN = "withdrawn", _("withdrawn")

    pk = models.CompositePrimaryKey("contact_id", "id")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, db_index=False)
    id = models.BigIntegerField(editable=False)
    definition = models.ForeignKey(ConsentDefinition, on_delete=models.PROTECT, db_index=False)
    state = models.CharField(max_length=9, choices=State)
    at = models.DateTimeField()
    source = models.CharField(max_length=60)
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    actor = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        managed = False
        db_table = "contacts_consententry"

    def __str__(self) -> str:
        return f"{self.contact_id} {self.definition_id} {self.state}"


class ConsentState(models.Model):
    """What a contact allows now, derived from the ledger by the database. Never written by hand."""

    pk = models.CompositePrimaryKey("contact_id", "definition_id")
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    definition = models.ForeignKey(ConsentDefinition, on_delete=models.PROTECT, db_index=False)
    state = models.CharField(max_length=9, choices=ConsentEntry.State)
    since = models.DateTimeField()
    entry_id = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(
                fields=["definition", "state", "contact"], name="contacts_consentstate_by_state"
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.definition_id} {self.state}"


class LeadScoreChange(models.Model):
    """One change of a contact's lead score: the new score, when, why and by whom."""

    pk = models.CompositePrimaryKey("contact_id", "id")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, db_index=False)
    id = models.BigIntegerField(editable=False)
    score = models.DecimalField(max_digits=14, decimal_places=4)
    at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    actor = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        managed = False
        db_table = "contacts_leadscorechange"

    def __str__(self) -> str:
        return f"{self.contact_id} {self.score}"


class MetricDefinition(models.Model):
    """A number, date or text computed per contact."""

    class Type(models.TextChoices):
        NUMBER = "number", _("number")
        DATE = "date", _("date")
        TEXT = "text", _("text")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    label = models.CharField(_("label"), max_length=120)
    type = models.CharField(_("type"), max_length=8, choices=Type, default=Type.NUMBER)
    description = models.TextField(_("description"), blank=True, default="")
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("metric")
        verbose_name_plural = _("metrics")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.label

    @property
    def is_computed(self) -> bool:
        """Whether Regulars computes the values by itself."""
        return hasattr(self, "computed")


class MetricValue(models.Model):
    """The value of a metric for a contact, in the column of the metric's type."""

    pk = models.CompositePrimaryKey("contact_id", "metric_id")
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    metric = models.ForeignKey(MetricDefinition, on_delete=models.CASCADE, db_index=False)
    number = models.DecimalField(max_digits=30, decimal_places=8, null=True)
    date = models.DateField(null=True)
    text = models.TextField(default="", db_default="")
    computed_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(
                fields=["metric", "number"], include=["contact"], name="contacts_metricvalue_number"
            ),
            models.Index(
                fields=["metric", "date"], include=["contact"], name="contacts_metricvalue_date"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.metric_id}"


class ComputedMetric(models.Model):
    """A metric that Regulars computes by itself: how, and how its last computing went.

    The others are written through the API. Either `computation` names a recipe that is code
    (contacts.computed_metrics: the age, and what a floor above registered), or the columns from
    `function` to `ranked` are a formula (contacts.formulas): of the events of a name, "" for what
    an order is, those of the last `window_days` days, null for ever, and where one is given only
    those with `filter_value` in `filter_property`.

    `upload_name` is what other systems call it. `distribution` are the values in steps: `[{"from":
    "0", "to": "50", "count": 17}, …]`, with `to` null for the last, open step; the most frequent
    ones of texts, with `to` the same as `from`.

    `basis` is a digest of all that the values came about by (contacts.metric_bases): where it is
    still the same, only those are computed again who can have changed since `as_of`.
    """

    class Function(models.TextChoices):
        COUNT = "count", _("number of events")
        SUM = "sum", _("sum")
        AVERAGE = "average", _("average")
        MINIMUM = "minimum", _("smallest value")
        MAXIMUM = "maximum", _("greatest value")
        FIRST_DATE = "first_date", _("date of the first event")
        LAST_DATE = "last_date", _("date of the last event")
        DAYS_SINCE = "days_since", _("days since the last event")
        MOST_FREQUENT = "most_frequent", _("most frequent value")
        SHARE = "share", _("share of events in per cent")
        PERCENTILE = "percentile", _("rank of another metric in per cent")

    metric = models.OneToOneField(
        MetricDefinition, on_delete=models.CASCADE, primary_key=True, related_name="computed"
    )
    computation = models.CharField(max_length=40, blank=True, default="", db_default="")
    function = models.CharField(
        _("function"), max_length=13, choices=Function, blank=True, default="", db_default=""
    )
    event_name = models.TextField(_("event"), blank=True, default="", db_default="")
    value_property = models.TextField(_("property"), blank=True, default="", db_default="")
    window_days = models.IntegerField(_("days"), null=True, blank=True)
    filter_property = models.TextField(
        _("only where the property"), blank=True, default="", db_default=""
    )
    filter_value = models.TextField(_("is"), blank=True, default="", db_default="")
    other_event_name = models.TextField(
        _("event that is counted"), blank=True, default="", db_default=""
    )
    ranked = models.ForeignKey(
        MetricDefinition, on_delete=models.RESTRICT, null=True, blank=True, related_name="ranks"
    )
    upload_name = models.CharField(_("name in uploads"), max_length=100, unique=True)
    as_of = models.DateTimeField(null=True)
    computed_at = models.DateTimeField(null=True)
    value_count = models.BigIntegerField(default=0)
    changed_count = models.BigIntegerField(default=0)
    milliseconds = models.IntegerField(default=0)
    distribution = models.JSONField(default=list)
    basis = models.CharField(max_length=32, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("computed metric")
        verbose_name_plural = _("computed metrics")
        constraints = [
            models.CheckConstraint(
                condition=Q(as_of__isnull=True, computed_at__isnull=True)
                | Q(as_of__isnull=False, computed_at__isnull=False),
                name="contacts_computedmetric_as_of_something",
            ),
            models.UniqueConstraint(
                fields=["computation"],
                condition=~Q(computation=""),
                name="contacts_computedmetric_one_for_each_recipe",
            ),
            models.CheckConstraint(
                condition=(Q(computation="") & ~Q(function=""))
                | (~Q(computation="") & Q(function="")),
                name="contacts_computedmetric_recipe_or_formula",
            ),
            models.CheckConstraint(
                condition=Q(window_days__isnull=True) | Q(window_days__gte=1),
                name="contacts_computedmetric_window_of_days",
            ),
            models.CheckConstraint(
                condition=Q(filter_property="", filter_value="")
                | (~Q(filter_property="") & ~Q(filter_value="")),
                name="contacts_computedmetric_filter_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(function="percentile", ranked__isnull=False)
                | (~Q(function="percentile") & Q(ranked__isnull=True)),
                name="contacts_computedmetric_ranks_a_metric",
            ),
            models.CheckConstraint(
                condition=~Q(upload_name=""), name="contacts_computedmetric_is_uploaded_as"
            ),
        ]

    def __str__(self) -> str:
        return self.upload_name


class WebsiteMetrics(models.Model):
    """The computed metrics of a contact on one website: `contacts.website_metrics` says which."""

    pk = models.CompositePrimaryKey("website_id", "contact_id")
    website = models.ForeignKey(
        Website, on_delete=models.CASCADE, db_index=False, related_name="metrics"
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_constraint=False, related_name="website_metrics"
    )
    values = models.JSONField(default=dict, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)
    computed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("metrics of a website")
        verbose_name_plural = _("metrics of websites")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.website_id} {self.contact_id}"


class ComputedWebsite(models.Model):
    """How the metrics of a website were computed last: as of when, and by what (`basis`)."""

    website = models.OneToOneField(
        Website, on_delete=models.CASCADE, primary_key=True, related_name="computed"
    )
    basis = models.CharField(max_length=32, blank=True, default="", db_default="")
    as_of = models.DateTimeField()
    computed_at = models.DateTimeField()

    class Meta:
        verbose_name = _("computed website")
        verbose_name_plural = _("computed websites")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.website_id} {self.as_of}"


class OrderEvent(models.Model):
    """Which event of this workspace is an order, and which of its properties says what.

    One row, or none where nobody chose: then `purchase` and the properties of `contacts.orders`.
    """

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    event_name = models.TextField(_("event"))
    amount_property = models.TextField(_("property with the amount"))
    category_property = models.TextField(
        _("property with the category"),
        default="products.category, category",
        db_default="products.category, category",
    )
    website_property = models.TextField(
        _("property with the website"), default="website", db_default="website"
    )
    chosen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="contacts_orderevent_only_one"),
            models.CheckConstraint(
                condition=~Q(event_name="")
                & ~Q(amount_property="")
                & ~Q(category_property="")
                & ~Q(website_property=""),
                name="contacts_orderevent_is_named",
            ),
        ]

    def __str__(self) -> str:
        return self.event_name


class EventDefinition(models.Model):
    """The name of a kind of event, as sources send it, and what we know of it.

    Made by itself when an event of a new name arrives. `schema` describes the properties seen,
    `properties` those that were declared; `enforcement` says what becomes of an event that breaks
    the declarations.
    """

    class Enforcement(models.TextChoices):
        ACCEPT = "accept", _("accepted")
        MARK = "mark", _("accepted and marked")
        REFUSE = "refuse", _("refused")

    id = models.AutoField(primary_key=True)
    name = models.TextField(_("name"), unique=True)
    label = models.CharField(_("label"), max_length=120, blank=True, default="", db_default="")
    description = models.TextField(_("description"), blank=True, default="", db_default="")
    schema = models.JSONField(default=dict, db_default={}, blank=True)
    enforcement = models.CharField(
        _("events that break the schema are"),
        max_length=6,
        choices=Enforcement,
        default=Enforcement.ACCEPT,
        db_default="accept",
    )
    is_demo = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("event definition")
        verbose_name_plural = _("event definitions")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(enforcement__in=["accept", "mark", "refuse"]),
                name="contacts_eventdefinition_enforcement",
            )
        ]

    def __str__(self) -> str:
        return self.label or self.name


class EventProperty(models.Model):
    """A property that events of a kind are declared to have.

    `name` is a way through the objects in it, as "product.name". What each type means, says
    `contacts.event_schemas`.
    """

    class Type(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        BOOLEAN = "boolean", _("yes or no")
        DATE = "date", _("date")
        DATETIME = "datetime", _("date and time")
        URL = "url", _("web address")
        LIST = "list", _("list")
        OBJECT = "object", _("object")
        ANY = "any", _("anything")

    id = models.AutoField(primary_key=True)
    definition = models.ForeignKey(
        EventDefinition, on_delete=models.CASCADE, related_name="properties", db_index=False
    )
    name = models.CharField(_("property"), max_length=100)
    type = models.CharField(_("type"), max_length=8, choices=Type)
    is_required = models.BooleanField(_("required"), default=False, db_default=False)
    description = models.CharField(
        _("description"), max_length=300, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("property of an event")
        verbose_name_plural = _("properties of events")
        ordering = ["name"]
        # Written with the definition, by whoever may change that.
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["definition", "name"], name="contacts_eventproperty_once"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="contacts_eventproperty_is_named"),
            models.CheckConstraint(
                condition=Q(
                    type__in=[
                        *("text", "number", "boolean", "date", "datetime"),
                        *("url", "list", "object", "any"),
                    ]
                ),
                name="contacts_eventproperty_type",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class EventBreach(models.Model):
    """How many events of a kind broke its schema on a day (of the workspace's time zone).

    `last_problems` are those of the last one, `[{"path", "code", "message"}]`; no values of it.
    An event that is told twice counts twice.
    """

    pk = models.CompositePrimaryKey("definition_id", "day")
    definition = models.ForeignKey(
        EventDefinition, on_delete=models.CASCADE, related_name="breaches", db_index=False
    )
    day = models.DateField()
    marked_count = models.BigIntegerField(default=0)
    refused_count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()
    last_problems = models.JSONField(default=list)

    class Meta:
        verbose_name = _("breach of a schema")
        verbose_name_plural = _("breaches of schemas")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.definition_id} {self.day}: {self.marked_count + self.refused_count}"


class Url(models.Model):
    """The dictionary of page addresses in `properties.url`: short, and without a query string."""

    id = models.AutoField(primary_key=True)
    url = models.TextField(unique=True)

    class Meta:
        db_table = "contacts_url"

    def __str__(self) -> str:
        return self.url


class Event(models.Model):
    """Something a contact did, once. Partitioned by month of `occurred_at` (UTC).

    `amount` is derived by the database from `properties.amount`, where that is a number or
    numeric text of at most 1000 characters. `url_id` is 0 where `properties.url` is missing (no
    text, or an empty one; no number, true or false), the id of `Url` with exactly that text, or
    null where it is not in the dictionary.
    """

    pk = models.CompositePrimaryKey("contact_id", "message_id", "occurred_at")
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, related_name="events"
    )
    occurred_at = models.DateTimeField()
    definition = models.ForeignKey(EventDefinition, on_delete=models.PROTECT)
    message_id = models.CharField(max_length=100)
    received_at = models.DateTimeField(db_default=Now())
    amount = models.DecimalField(max_digits=30, decimal_places=8, null=True, editable=False)
    url_id = models.IntegerField(null=True)
    properties = models.JSONField(default=dict, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)

    class Meta:
        managed = False
        db_table = "contacts_event"
        verbose_name = _("event")
        verbose_name_plural = _("events")

    def __str__(self) -> str:
        return f"{self.definition_id} {self.occurred_at}"


class EventStatistic(models.Model):
    """How often, first and last a contact did a kind of event, over all stored events.

    Written by `contacts.events` in the transaction that writes the events.
    """

    pk = models.CompositePrimaryKey("contact_id", "definition_id")
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    definition = models.ForeignKey(
        EventDefinition, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    event_count = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["definition", "last_at"],
                include=["contact", "event_count", "first_at"],
                name="contacts_eventstatistic_last",
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.definition_id} {self.event_count}"


class SeenMessage(models.Model):
    """Message ids that a source sent lately: one counts once per source, whatever the contact."""

    pk = models.CompositePrimaryKey("source_id", "message_id")
    source_id = models.IntegerField()
    message_id = models.CharField(max_length=100)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="contacts_seenmessage_age")]

    def __str__(self) -> str:
        return self.message_id
