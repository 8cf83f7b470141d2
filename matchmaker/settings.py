"""Every setting, read from the environment once; a wrong or missing value stops the start.

With no settings at all this is the embedded default: SQLite, a broker of files under `var/`, one
machine. `DATABASE_URL` and `REDIS_URL` make the same code a production deployment.
docs/configuration.md lists the variables.
"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from matchmaker import embedded, logs, sqlite

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

# --- Which deployment this is -------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
EMBEDDED = not DATABASE_URL
if DATABASE_URL and not REDIS_URL:
    raise ImproperlyConfigured("DATABASE_URL is set: set REDIS_URL too, workers elsewhere cannot see files.")
VAR_DIR = embedded.make_folder(env.str("MATCHMAKER_VAR_DIR", default=str(BASE_DIR / "var")))

DEBUG = env.bool("MATCHMAKER_DEBUG", default=False)
SECRET_KEY = (
    embedded.secret_key(VAR_DIR, env.str("SECRET_KEY", default="")) if EMBEDDED else env.str("SECRET_KEY")
)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = (
    env.list("MATCHMAKER_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
    if EMBEDDED
    else env.list("MATCHMAKER_ALLOWED_HOSTS")
)
CSRF_TRUSTED_ORIGINS = env.list("MATCHMAKER_CSRF_TRUSTED_ORIGINS", default=[])

# --- The town -----------------------------------------------------------------------------------
TOWN_NAME_ZH = env.str("MATCHMAKER_TOWN_NAME_ZH", default="五号服装城")
TOWN_NAME_EN = env.str("MATCHMAKER_TOWN_NAME_EN", default="No. 5 Clothing Town")
TOWN_REGION = env.str("MATCHMAKER_TOWN_REGION", default="guangdong")

# --- Code ---------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "matchmaker.apps.WiringConfig",
    "matchmaker.core",
    "jobs",
    "accounts",
    "notifications",
    "matching",
    "seeds",
    "matchmaker.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "simple_history",
    "import_export",
    "csp",
]
MIDDLEWARE = [
    "matchmaker.watching.Watch",
    "django.middleware.security.SecurityMiddleware",
    "matchmaker.middleware.ClosedDoors",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "matchmaker.pages.KeptFromCaches",
    "matchmaker.pages.WholeBody",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "matchmaker.pages.SlashOfSameMethod",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "matchmaker.middleware.SessionLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "jobs.announce.AnnounceJob",
]
ROOT_URLCONF = "matchmaker.urls"
WSGI_APPLICATION = "matchmaker.wsgi.application"
ASGI_APPLICATION = "matchmaker.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
            ]
        },
    }
]

# --- Database and cache -------------------------------------------------------------------------
sqlite.use_fixed_library()


def _database() -> dict[str, Any]:
    if EMBEDDED:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": env.str("MATCHMAKER_SQLITE_PATH", default=str(VAR_DIR / "db.sqlite3")),
            # DEFERRED, Django's default, fails with "database is locked" as soon as two processes write.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": sqlite.pragmas(sqlite.library_version()),
            },
            # In a file: tests with threads and worker processes need one that all of them can open.
            "TEST": {"NAME": VAR_DIR / "test.sqlite3"},
        }
    server = env.db_url("DATABASE_URL")
    return {
        **server,
        # A unix socket's folder is written with %2F in a URL's place of the host.
        "HOST": unquote(server["HOST"]),
        "CONN_MAX_AGE": env.int("MATCHMAKER_DATABASE_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database()}


def _cache() -> dict[str, Any]:
    if not REDIS_URL:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "matchmaker",
        "OPTIONS": {
            "socket_connect_timeout": 0.4,
            "socket_timeout": 0.4,
            "serializer": "matchmaker.jsoncache.JSONSerializer",
        },
    }


CACHES = {"default": _cache()}

# --- The queue ----------------------------------------------------------------------------------
# The database row is the job; a message only wakes a worker, so nothing here has to be durable.
# How many workers at most are asked to help the one that leads a re-match. Each does a piece at a time; the
# embedded default has two threads, and a save should find one of them soon.
REMATCH_HELPERS = env.int("MATCHMAKER_REMATCH_HELPERS", default=1 if EMBEDDED else 8)
# How many parties' lists one piece of a re-match makes: a second of one worker.
REMATCH_PIECE = env.int("MATCHMAKER_REMATCH_PIECE", default=1000)
# How long a job may be due before the sweep sends its message again.
JOBS_SWEEP_AFTER_SECONDS = env.float("MATCHMAKER_SWEEP_AFTER_SECONDS", default=3.0)
# A worker renews its lease four times in this; a killed one loses its job after it.
JOBS_LEASE_SECONDS = env.float("MATCHMAKER_LEASE_SECONDS", default=8.0)
JOBS_QUEUES = ("default", "compute")
# A worker that hears nothing for so long ends itself, a beat that stands still after thrice that; 0: never.
WATCHDOG_SECONDS = env.float("MATCHMAKER_WATCHDOG_SECONDS", default=20.0)
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SOFT_TIME_LIMIT = 840
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_DEFAULT_QUEUE = "default"
# Created when first used: "default" and "compute". `jobs` names the queue with each message.
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A queue of its own for every worker: what comes through it shows that this very process still hears.
CELERY_WORKER_DIRECT = True
CELERY_WORKER_CONSUMER = "matchmaker.consumer:Consumer"
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# One try within the socket's time-out, none for a while after one that hung: no request waits for Redis.
CELERY_TASK_PUBLISH_RETRY = False
PUBLISH_TIMEOUT_SECONDS = 0.4
PUBLISH_PAUSE_SECONDS = 2.0
CELERY_BEAT_SCHEDULER = "matchmaker.timetable:Timetable"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_TIMEZONE = "UTC"
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        # Over twice the hard time limit, or a slow task is delivered again while it still runs.
        "visibility_timeout": 1800,
        # Without these two a killed worker's messages came back only after 100 s.
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "retry_on_timeout": False,
        "health_check_interval": 10,
    }
else:
    CELERY_BROKER_URL = "filesystem://localhost"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(embedded.make_folder(VAR_DIR / "broker" / "queue")),
        "data_folder_out": str(VAR_DIR / "broker" / "queue"),
        "control_folder": str(embedded.make_folder(VAR_DIR / "broker" / "control")),
        "polling_interval": 0.1,
    }

# --- Accounts -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
# One backend for the API and the admin: it takes the phone, and hashes once for known and unknown phones.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "accounts.hashers.LeanArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "accounts.passwords.MinimumLength"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
# Whether staff need the code of their phone's authenticator beside the password (docs/staff-sign-in.md).
STAFF_TOTP = env.bool("MATCHMAKER_STAFF_TOTP", default=not EMBEDDED)
# "console", "memory", or the dotted path of a class with `send(phone, text)` (accounts/sms.py).
SMS_BACKEND = env.str("MATCHMAKER_SMS_BACKEND", default="console")
DEVICE_TOKEN_DAYS = env.int("MATCHMAKER_DEVICE_TOKEN_DAYS", default=30)
DEVICE_IDLE_DAYS = env.int("MATCHMAKER_DEVICE_IDLE_DAYS", default=14)
DEVICES_MAX = env.int("MATCHMAKER_DEVICES_MAX", default=10)
# No answer that depends on whether a phone is known comes sooner: the work behind it differs by some 3 ms.
AUTH_ANSWER_SECONDS = 0.1

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"phone"}
ACCOUNT_SIGNUP_FIELDS = ["phone*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PHONE_VERIFICATION_ENABLED = True
ACCOUNT_PHONE_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 300
# A new phone needs the password or a code of the last five minutes.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_PREVENT_ENUMERATION = True
# Its limits count per process on locmem; `jobs.Throttle` counts in the database.
ACCOUNT_RATE_LIMITS = False
HEADLESS_ONLY = True
HEADLESS_ADAPTER = "accounts.adapter.HeadlessAdapter"
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "accounts.tokens.DeviceTokenStrategy"  # noqa: S105 (a path, no secret)

# --- API ----------------------------------------------------------------------------------------
API_VERSION = "1.0.0"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiTokenAuthentication",
        "accounts.authentication.DeviceTokenAuthentication",
    ],
    # A view that names no `required_scopes` is closed to machine tokens.
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.HasScope",
    ],
    "DEFAULT_PARSER_CLASSES": ["matchmaker.core.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["matchmaker.core.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "matchmaker.core.pagination.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "matchmaker.core.openapi.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "matchmaker.core.exception_handler.problem_response",
    "DEFAULT_METADATA_CLASS": "matchmaker.core.metadata.Methods",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "NUM_PROXIES": env.int("MATCHMAKER_TRUSTED_PROXIES", default=0),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Matchmaker",
    "DESCRIPTION": _("Matches the stalls of a clothing town with live-stream hosts."),
    "VERSION": API_VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "matchmaker.core.openapi.add_problem_schema",
    ],
    # One name for one set of words, wherever it appears.
    "ENUM_NAME_OVERRIDES": {
        "MatchStatus": "matching.choices.MatchStatus",
        "MatchAction": "matching.api.serializers.ACTIONS",
        "SuggestionAction": "matching.api.suggestions_shapes.SUGGESTION_ACTIONS",
        "OutcomeStatus": "matching.choices.OutcomeStatus",
        "OutcomeAction": "matching.api.outcome_shapes.OUTCOME_ACTIONS",
        "Awaiting": "matching.choices.Awaiting",
        "Role": "matching.choices.Role",
        "Side": "matching.choices.Side",
        "ReactionKind": "matching.choices.ReactionKind",
        "CooperationMode": "accounts.choices.CooperationMode",
        "Platform": "accounts.choices.Platform",
    },
}
# A body of JSON; the two imports have a cap of their own and read their file as a stream.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MATCHMAKER_JSON_MAX_BYTES", default=256 * 1024)
IMPORT_MAX_BYTES = env.int("MATCHMAKER_IMPORT_MAX_BYTES", default=5 * 1024 * 1024)
IMPORT_MAX_ROWS = env.int("MATCHMAKER_IMPORT_MAX_ROWS", default=5000)

# --- Words and time -----------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
# Shown in the town's time, stored in UTC. Weeks begin on the town's Monday, so it is no option.
TIME_ZONE = "Asia/Shanghai"

# --- Files --------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.str("MATCHMAKER_STATIC_ROOT", default=str(VAR_DIR / "static"))
MEDIA_ROOT = VAR_DIR / "media"
# The embedded default serves straight from the packages: nobody has to run collectstatic.
WHITENOISE_USE_FINDERS = EMBEDDED
WHITENOISE_ALLOW_ALL_ORIGINS = False
# WhiteNoise wants the folder to be there, filled or not.
embedded.make_folder(STATIC_ROOT)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Transport security -------------------------------------------------------------------------
# The embedded default listens on the loopback address, where there is no TLS to ask for.
_TLS = not EMBEDDED and not DEBUG
SECURE_SSL_REDIRECT = env.bool("MATCHMAKER_SSL_REDIRECT", default=_TLS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("MATCHMAKER_HSTS_SECONDS", default=31_536_000 if _TLS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = _TLS
SECURE_HSTS_PRELOAD = _TLS
SESSION_COOKIE_SECURE = env.bool("MATCHMAKER_SECURE_COOKIES", default=_TLS)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
CSRF_COOKIE_HTTPONLY = True
if SESSION_COOKIE_SECURE:
    # Browsers take a cookie of this prefix over TLS and from this very host only: no sister site plants one.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SESSION_COOKIE_AGE = env.int("MATCHMAKER_STAFF_SESSION_SECONDS", default=12 * 3600)
STAFF_IDLE_SECONDS = env.int("MATCHMAKER_STAFF_IDLE_SECONDS", default=3600)
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# Our own files and nothing else. What stands inside a page runs only with the nonce of that one answer, which
# is in the header when the page asked for it.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
if env.bool("MATCHMAKER_BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Watching -----------------------------------------------------------------------------------
# Empty: /metrics answers on the loopback address only.
METRICS_TOKEN = env.str("MATCHMAKER_METRICS_TOKEN", default="")
logs.count_requests_in(embedded.make_folder(VAR_DIR / "metrics"))
# One line for each request, without address or person. On a laptop's terminal it would be noise.
ACCESS_LOG = env.bool("MATCHMAKER_ACCESS_LOG", default=not EMBEDDED)
LOGGING = logs.configuration(
    env.str("MATCHMAKER_LOG_FORMAT", default="text" if EMBEDDED else "json"),
    env.str("MATCHMAKER_LOG_LEVEL", default="INFO").upper(),
)
