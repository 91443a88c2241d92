"""The only settings. They read the environment through config.env and import nothing of ours."""

import os
from datetime import timedelta
from urllib.parse import urlsplit

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from config.embedded import address, paths, postgres, valkey
from config.embedded.dotenv import read_dotenv
from config.embedded.errors import StartRefused
from config.env import (
    SettingInvalid,
    anymail_settings,
    database_from_url,
    email_from_provider,
    email_from_url,
    env_bool,
    env_int,
    env_list,
    env_networks,
    env_rate,
    env_secret,
    env_text,
    env_time_zone,
    env_url,
    is_fernet_key,
)

BASE_DIR = paths.CHECKOUT
read_dotenv(BASE_DIR / ".env")
VAR = paths.var_directory(os.environ)

# --- Safety --------------------------------------------------------------------------------------

DEBUG = env_bool("DEBUG")
SECRET_KEY = env_secret("SECRET_KEY", paths.secret_key_file(VAR))
# Former keys, so that sessions and the digests of files stay valid after a change.
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
FIELD_ENCRYPTION_KEYS = [
    key.strip()
    for key in env_secret("FIELD_ENCRYPTION_KEYS", paths.encryption_keys_file(VAR)).split(",")
    if key.strip()
]
if not SECRET_KEY and DEBUG:
    # For commands that need no secret, before the first start has generated one.
    SECRET_KEY = "only-until-the-first-start-generates-one"
if not SECRET_KEY:
    raise SettingInvalid(
        "SECRET_KEY", "is missing, and DEBUG is off", "a-long-random-text-of-50-or-more-letters"
    )
for _key in FIELD_ENCRYPTION_KEYS:
    if not is_fernet_key(_key):
        raise SettingInvalid(
            "FIELD_ENCRYPTION_KEYS",
            "is no key of 32 bytes in URL-safe base64",
            "$(openssl rand -base64 32 | tr +/ -_)",
        )
if not FIELD_ENCRYPTION_KEYS and not DEBUG:
    raise SettingInvalid(
        "FIELD_ENCRYPTION_KEYS",
        "is missing, and DEBUG is off",
        "$(openssl rand -base64 32 | tr +/ -_)",
    )

try:
    BASE_URL = address.Address.read(os.environ).base_url
except StartRefused as error:
    raise SystemExit(str(error)) from None
_base = urlsplit(BASE_URL)
IS_HTTPS = _base.scheme == "https"
_own_hosts = {_base.hostname or "", "127.0.0.1", "localhost"}
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or sorted(_own_hosts)
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS") or [f"{_base.scheme}://{_base.netloc}"]

# Of these what they write into X-Forwarded-For is believed.
TRUSTED_PROXIES = env_networks("TRUSTED_PROXIES")

SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
# The admin's theme brings Alpine, which evaluates expressions; nothing is loaded from elsewhere.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    }
}

# --- Parts ---------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "workspace",
    "contacts",
    "integrations",
    "segments",
    "loyalty",
    "journeys",
    "config.demo",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_celery_beat",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "integrations.ingestion.middleware.ShortWay",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "segments.admin.announcing.FinishedExports",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Database ------------------------------------------------------------------------------------

DATABASES = {
    "default": database_from_url(
        "DATABASE_URL", env_text("DATABASE_URL") or postgres.connection_url(VAR)
    )
}
DATABASES["default"]["CONN_MAX_AGE"] = 0
# A connection that the server closed meanwhile is replaced before anybody uses it.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 12, "timeout": 20}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker, worker, beat ------------------------------------------------------------------------

CELERY_BROKER_URL = env_text("BROKER_URL") or valkey.connection_url(VAR)
_broker_kind = CELERY_BROKER_URL.split(":", 1)[0]
_broker_is_redis = _broker_kind in {"redis", "rediss", "redis+socket"}
if not _broker_is_redis and _broker_kind not in {"amqp", "amqps", "pyamqp"}:
    raise SettingInvalid(
        "BROKER_URL",
        "must begin with redis://, rediss://, redis+socket:// or amqp://",
        "redis://127.0.0.1:6379/0",
    )
if _broker_is_redis:
    # A task that a killed worker held comes back after this long; no task waits longer than that.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SOFT_TIME_LIMIT = 3300
CELERY_TASK_TIME_LIMIT = 3500
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "config.beat:SoloScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True

_REDIS = {"redis", "rediss", "redis+socket", "unix"}
_cache_url = env_text("CACHE_URL")
if _cache_url and _cache_url.split(":", 1)[0] not in _REDIS:
    raise SettingInvalid(
        "CACHE_URL", "must begin with redis://, rediss:// or unix://", "redis://127.0.0.1:6379/1"
    )
if not _cache_url and not _broker_is_redis:
    raise SettingInvalid(
        "CACHE_URL",
        "is missing: this broker keeps no counts for the limits of requests",
        "redis://127.0.0.1:6379/1",
    )
if not _cache_url and env_text("BROKER_URL"):
    _cache_url = CELERY_BROKER_URL
if _cache_url.startswith("redis+socket:"):
    _cache_url = "unix:" + _cache_url.removeprefix("redis+socket:")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _cache_url or valkey.cache_url(VAR),
        "KEY_PREFIX": "regulars",
    }
}

# --- People --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "workspace.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

# --- Language and time ---------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = env_time_zone("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

# --- Files ---------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR / "files"},
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if not DEBUG
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
UPLOADS_ROOT = VAR / "uploads"
EXPORTS_ROOT = VAR / "exports"
FILE_UPLOAD_TEMP_DIR = None
# JSON bodies; file uploads stream to disk and are limited by the views that take them.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# --- Mail ----------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env_text("DEFAULT_FROM_EMAIL", f"Regulars <regulars@{_base.hostname}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR / "mail"
if _email_url := env_text("EMAIL_URL"):
    globals().update(email_from_url("EMAIL_URL", _email_url))
elif env_text("EMAIL_PROVIDER"):
    globals().update(email_from_provider("EMAIL_PROVIDER"))
# Where mails that could not be delivered come back to, instead of to the sender.
BOUNCE_ADDRESS = env_text("BOUNCE_ADDRESS")
# The mailbox that such mails are read from, by `manage.py read_bounces`.
BOUNCE_IMAP_URL = env_secret("BOUNCE_IMAP_URL")
# The password of addresses at which providers tell of bounces. Without it there are none.
MAIL_HOOKS_SECRET = env_secret("MAIL_HOOKS_SECRET")
# So many times in so many days has an address to be full or away before it counts as gone.
SOFT_BOUNCE_LIMIT = env_int("SOFT_BOUNCE_LIMIT", None, least=1, most=100) or 3
SOFT_BOUNCE_DAYS = env_int("SOFT_BOUNCE_DAYS", None, least=1, most=365) or 14
ANYMAIL = {
    # Not every provider keeps what we note beside a message; it is found by its header then.
    "IGNORE_UNSUPPORTED_FEATURES": True,
    "REQUESTS_TIMEOUT": 20,
    **anymail_settings(),
    **({"WEBHOOK_SECRET": f"regulars:{MAIL_HOOKS_SECRET}"} if MAIL_HOOKS_SECRET else {}),
}
# How many messages a second the mail server takes, from all processes together.
EMAIL_PER_SECOND = env_int("EMAIL_PER_SECOND", None, least=1, most=10_000)

# --- The product ---------------------------------------------------------------------------------

# What a source of events may send; Segment recommends 1000 requests a second at most.
INGESTION_REQUESTS_PER_SECOND = (
    env_int("INGESTION_REQUESTS_PER_SECOND", None, least=1, most=1_000_000) or 1000
)
# At most so many messages to a contact within an hour, a day or a week: "3/week".
MESSAGE_CAP = env_rate("MESSAGE_CAP")
# Whether an e-mail counts as opened or clicked by what looks like a mail scanner, too.
MESSAGE_MACHINES_COUNT = env_bool("MESSAGE_MACHINES_COUNT")
EVENT_RETENTION_DAYS = env_int("EVENT_RETENTION_DAYS", None, least=1, most=36_500)
# How often the metrics are computed of who did something, between the nights; 0: never.
METRICS_EVERY_MINUTES = env_int("METRICS_EVERY_MINUTES", 10, least=0, most=1440) or 0
# How long somebody is on a journey that says nothing of it.
JOURNEY_TIMEOUT = timedelta(days=env_int("JOURNEY_TIMEOUT_DAYS", None, least=1, most=3660) or 91)
# How many journeys may be live, and how many activities one may have.
JOURNEYS_LIVE_LIMIT = env_int("JOURNEYS_LIVE_LIMIT", None, least=1, most=10_000) or 100
JOURNEY_NODE_LIMIT = env_int("JOURNEY_NODE_LIMIT", None, least=1, most=1000) or 50
# A journey that was paused for so long goes on by itself; 0: never.
JOURNEY_PAUSE_DAYS = env_int("JOURNEY_PAUSE_DAYS", 14, least=0, most=3660) or 0
# A test of a draft that nobody ended ends by itself after so many days.
JOURNEY_TEST_DAYS = env_int("JOURNEY_TEST_DAYS", 7, least=1, most=366) or 7
# Networks that what we call may be in although they are private.
OUTBOUND_ALLOW = env_networks("OUTBOUND_ALLOW")
# Other addresses of the vendors than their own, as of a sandbox; "" for their own.
DOTDIGITAL_URL = env_url("DOTDIGITAL_URL")
EMARSYS_URL = env_url("EMARSYS_URL")
EMARSYS_AUTH_URL = env_url("EMARSYS_AUTH_URL")
SEGMENT_URL = env_url("SEGMENT_URL")
# The push services of browsers that are called: Chrome and its kin, Firefox, Safari, Edge.
PUSH_HOSTS = env_list(
    "PUSH_HOSTS",
    "fcm.googleapis.com,*.push.services.mozilla.com,*.push.apple.com,*.notify.windows.com",
)

# --- API -----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workspace.api.authentication.ApiKeyAuthentication",
        "workspace.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["workspace.api.permissions.ScopeOrPermission"],
    "DEFAULT_PARSER_CLASSES": ["workspace.api.parsing.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["workspace.api.parsing.ExactJSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "workspace.api.pages.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "workspace.api.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "workspace.api.problems.answer_problem",
    "UNAUTHENTICATED_USER": None,
    # Instants are written by the renderer, everywhere alike; `?format=` is no parameter of ours.
    "DATETIME_FORMAT": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Regulars",
    "DESCRIPTION": "Contacts and their events, segments, exports.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "JobState": "workspace.models.Job.State",
        "ExportState": "segments.models.Export.State",
        "ExportScheduleMode": "segments.models.ExportSchedule.Mode",
        "ActionState": "segments.models.SegmentAction.State",
        "ActionRunState": "segments.models.SegmentActionRun.State",
        "SourceKind": "integrations.models.Source.Kind",
        "DeliveryState": "integrations.models.Delivery.State",
        "NewTraits": "integrations.models.Source.NewTraits",
        "EventOutcome": "integrations.models.Outcome",
        "HeldEventState": "integrations.models.HeldEvent.State",
        "ActionKind": "segments.models.SegmentAction.Kind",
        "CalculationState": "segments.models.Segment.CalculationState",
        "ConsentLineState": "contacts.models.ConsentEntry.State",
        "MetricFunction": "contacts.models.ComputedMetric.Function",
        "MetricType": "contacts.models.MetricDefinition.Type",
        "ConsentState": "contacts.consents.STATES",
        "MechanismKind": "loyalty.models.Mechanism.Kind",
        "MechanismStatus": "loyalty.models.Mechanism.Status",
        "SegmentStatus": "segments.models.Segment.Status",
        "PointsAccount": "loyalty.models.PointsPosting.Account",
        "PostingKind": "loyalty.api.points_serializers.KINDS",
        "CampaignStatus": "loyalty.models.Campaign.Status",
        "CampaignType": "loyalty.api.campaign_serializers.TYPES",
        "VoucherType": "loyalty.api.campaign_serializers.VOUCHER_TYPES",
        "DistributionTriggerKind": "loyalty.models.Distribution.Trigger",
        "DistributionChannel": "loyalty.models.Distribution.Channel",
        "DistributionState": "loyalty.models.Distribution.State",
        "SuspicionKind": "loyalty.models.Suspicion.Kind",
        "SuspicionState": "loyalty.models.Suspicion.State",
        "TemplateChannel": "integrations.models.Template.Channel",
        "MessageChannel": "journeys.models.Message.Channel",
        "MessageReason": "journeys.models.Message.Reason",
        "MessageState": "journeys.models.Message.State",
    },
}

# --- Admin ---------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Regulars",
    "SITE_HEADER": "Regulars",
    "SITE_SUBHEADER": _("Know and reward your regulars"),
    "SITE_ICON": "config.admin.mark",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "config.admin.mark"}],
    "STYLES": ["config.admin.stylesheet"],
    "SCRIPTS": ["config.admin.script"],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    # What a person may not see is not in the menu: the theme's own search knows models only.
    "SIDEBAR": {"show_search": False, "navigation": "config.admin.navigation"},
    "DASHBOARD_CALLBACK": "config.admin.dashboard",
    "COMMAND": {"search_models": False, "show_history": False},
    # A teal whose shade 600 is dark enough for white letters (WCAG AA).
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.43)",
            "300": "oklch(85.5% .138 181.07)",
            "400": "oklch(77.7% .152 181.91)",
            "500": "oklch(62% .12 184)",
            "600": "oklch(51.1% .096 186.39)",
            "700": "oklch(43.7% .078 188.22)",
            "800": "oklch(38.6% .063 188.42)",
            "900": "oklch(33% .055 190)",
            "950": "oklch(27.7% .046 192.52)",
        }
    },
}

# --- Logging -------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "axes": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        # It tells at every start that it cannot draw bitmaps, which it does not have to.
        "pyBarcode": {"level": "WARNING"},
    },
}
