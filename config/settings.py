"""Every setting of the project, read from the environment; nothing set is the embedded first look."""

import sys
from pathlib import Path

import structlog
from django.core.exceptions import ImproperlyConfigured

from config import logs, pooling
from config.api_description import DESCRIPTION
from config.environment import (
    broker,
    cores,
    database,
    env,
    mail_options,
    photo_delivery,
    photo_store,
    roles,
    secret,
    secret_from_file,
    sqlite_options,
    traces,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

# Nothing set is a first look on this computer: DEBUG is on and only local host names answer. As soon as the
# deployment names a secret or a database it is taken for a real one, and DEBUG has to be asked for.
SECRET_KEY, _database_url = secret("SECRET_KEY"), secret("DATABASE_URL")
DEBUG = env.bool("DEBUG", default=not (SECRET_KEY or _database_url))
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("SECRET_KEY is not set. Set it to a long random string, the same on every node.")
    SECRET_KEY = secret_from_file(DATA_DIR / "secret_key")
# Keys of before, with commas: sessions and second factors that were made with them still hold.
SECRET_KEY_FALLBACKS = [key for key in secret("SECRET_KEY_FALLBACKS").split(",") if key]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
if not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
PORT = env.int("PORT", default=8000)
WEB_THREADS = env.int("WEB_THREADS", default=8)  # per web process; at most half of them wait in long polls
CSRF_TRUSTED_ORIGINS = [
    f"https://{host}" for host in ALLOWED_HOSTS if host not in {"*", "127.0.0.1", "localhost", "[::1]"}
]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "axes",
    "inspection",
    "shadow",
    "monitoring",
    "automation",
    "config",  # the commands of the site as a whole
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.content_security_policy",
    "config.tracing.trace_requests",
    "config.middleware.request_log",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "inspection.middleware.SamePerson",
    "inspection.middleware.PersonsLanguage",
    "inspection.middleware.SecondFactorAsked",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "inspection.middleware.RefusalPages",
    "inspection.replica.note_writers",
    "axes.middleware.AxesMiddleware",
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
                "config.frame.frame",
            ],
            # What nearly every template shows: as tags, since each include is a template and a context of its own.
            "builtins": ["inspection.templatetags.icons", "inspection.templatetags.moments"],
        },
    }
]

DATABASES = {"default": database(_database_url or f"sqlite:///{DATA_DIR / 'shadowline.sqlite3'}")}
# Connections live on from request to request: to open one costs as much as a verdict, with SQLite too.
DATABASES["default"]["CONN_MAX_AGE"] = pooling.KEPT
DATABASE_POOL = env.str("DATABASE_POOL", default="")
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    sqlite_options(DATABASES["default"])
else:
    pooling.connect(DATABASES["default"], DATABASE_POOL)
    if DATABASE_POOL.isdecimal():
        pooling.mind_forks()
# Reports, exports and dashboards read from a streaming replica, while it is at most so many seconds behind.
REPLICA_URL = secret("REPLICA_URL")
REPLICA_LAG = env.int("REPLICA_LAG", default=10)
if REPLICA_URL:
    DATABASES["replica"] = database(REPLICA_URL)
    if "sqlite3" in DATABASES["default"]["ENGINE"] + DATABASES["replica"]["ENGINE"]:
        raise ImproperlyConfigured(
            "REPLICA_URL names a replica of PostgreSQL, and DATABASE_URL has to name its primary."
        )
    pooling.connect(DATABASES["replica"], DATABASE_POOL)
    DATABASES["replica"]["OPTIONS"].setdefault("connect_timeout", 2)  # seconds; whoever reads a report waits for them
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
    DATABASE_ROUTERS = ["inspection.replica.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "inspection.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 12 * 3600  # one long shift
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# Whether supervisors read people's names beside their figures; else pseudonyms (see docs/operator.md).
SUPERVISORS_SEE_NAMES = env.bool("SUPERVISORS_SEE_NAMES", default=False)
# Roles that have to sign in with a second factor; anybody else may.
TOTP_REQUIRED_FOR = roles("TOTP_REQUIRED_FOR")
AXES_HANDLER = "inspection.guessing.Guesses"
AXES_CLIENT_IP_CALLABLE = "inspection.guessing.client_address"
# So many proxies of the site's own stand before it: what they saw is who asks. None: the connection is.
PROXIES = env.int("PROXIES", default=0)
AXES_FAILURE_LIMIT = 10
SPRAY_LIMIT = 100  # wrong ones of one address, whatever the names: a shift that signs in behind one address has fewer
WRONG_TOKEN_LIMIT = 30  # different ones of one address
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or whoever keeps trying would keep out who shares the address
# What was entered is never kept; the password is left out by itself.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "old_password", "again"]
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"

# A shift's clock is its line's; the database keeps UTC.
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns about a missing one
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Hashed names let a browser cache for ever; the compressing storage takes 28 s where this takes 1.5.
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage" if DEBUG else "config.statics.HashedStatics"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = False

# The key of the draws (canary, audit, blind): not SECRET_KEY, so that neither is changed for the other's sake.
DRAW_SECRET = secret("DRAW_SECRET") or secret_from_file(DATA_DIR / "draw_secret")

# The file with the Ed25519 key that signs bundles for stations; made on first use. Every web node needs the same one.
EDGE_KEY = Path(env.str("EDGE_KEY", default=str(DATA_DIR / "edge_key")))

# Photos: a station may send eight of them; everything is refused before it is read whole.
PHOTO_ROOT, PHOTO_BUCKET = photo_store(env.str("STORAGE_URL", default=""), DATA_DIR)
PHOTO_DELIVERY = photo_delivery(env.str("PHOTO_DELIVERY", default="stream"), PHOTO_BUCKET)
MODEL_ROOT = DATA_DIR / "models"
PHOTO_MAX_BYTES = env.int("PHOTO_MAX_BYTES", default=25 * 1024 * 1024)
PHOTO_MAX_PIXELS = env.int("PHOTO_MAX_PIXELS", default=50_000_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 8
FILE_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "inspection.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["inspection.roles.Nobody"],  # every view names who may; forgetting refuses all
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "inspection.problems.problem_response",
    "URL_FORMAT_OVERRIDE": None,  # `format` is a field of a report, checked like any other
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Shadowline",
    "VERSION": "1",
    "DESCRIPTION": DESCRIPTION,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.api_description.complete"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "ENUM_NAME_OVERRIDES": {
        "VerdictOutcome": "inspection.models.judgement.Outcome",
        "DispositionOutcome": "inspection.models.judgement.DispositionOutcome",
        "PredictionOutcome": "shadow.models.Answer",
        "ModelKind": "shadow.models.VersionKind",
        "AlarmSeverity": "monitoring.models.Severity",
        "AlarmState": "monitoring.models.State",
        "Grade": "shadow.api.gauge_serializers.GRADES",
        "StudyState": "shadow.api.gauge_serializers.STUDY_STATES",
        "AutomationLevel": "automation.api_shapes.LEVEL_NAMES",
        "TrainingState": "shadow.models.training.RunState",
    },
}

# The wake-up of the workers after an intake: a name, so that `inspection` imports nothing above it.
WAKE_UP_TASK = "automation.tasks.score_waiting_parts"
# What is done with a part that a station has decided by itself: a name, for the same reason.
TAKE_STATION_DECISION = "automation.actions.edge_arrival.take_station_decision"
BROKER_URL = broker(secret("BROKER_URL"))
BROKER_QUORUM = env.bool("BROKER_QUORUM", default=False)  # RabbitMQ: quorum queues, which outlive one of its nodes
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Of each worker that is not told --concurrency: scoring has one thread a process, so one process a core.
CELERY_WORKER_CONCURRENCY = env.int("WORKER_PROCESSES", default=cores())
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

TESTING = "pytest" in sys.modules
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

METRICS_TOKEN = secret("METRICS_TOKEN")  # empty: this computer alone scrapes /metrics

# Notices of alarms. Nothing set: no mail goes out, and webhooks lead to the internet alone (see monitoring.webhooks).
_email_url = secret("EMAIL_URL")
EMAIL_SET = bool(_email_url)
if EMAIL_SET:
    vars().update(mail_options(_email_url))
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="shadowline@localhost")
WEBHOOK_ALLOW = env.list("WEBHOOK_ALLOW", default=[])  # own hosts, addresses or networks that may be posted to
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{PORT}")  # where people reach the site, for links in notices

# The factory's MQTT broker, on which `publish_sparkplug` tells how the lines stand (mqtt://host, mqtts://user:password@host).
MQTT_URL = env.str("MQTT_URL", default="")
SPARKPLUG_GROUP = env.str("SPARKPLUG_GROUP", default="Shadowline")
SPARKPLUG_NODE = env.str(
    "SPARKPLUG_NODE", default="site"
)  # one edge node a site: a name of its own where there are several

# How long the watch keeps its figures: windows of 10 minutes, windows of a day, notices of alarms (manage.py prune).
KEEP_MINUTES_DAYS = env.int("KEEP_MINUTES_DAYS", default=30)
KEEP_DAYS_DAYS = env.int("KEEP_DAYS_DAYS", default=5 * 365 + 1)
KEEP_NOTICES_DAYS = env.int("KEEP_NOTICES_DAYS", default=365)
# How long the audit trail is kept, in whole months; 0: for ever.
KEEP_AUDIT_DAYS = env.int("KEEP_AUDIT_DAYS", default=0)
if 0 < KEEP_AUDIT_DAYS < 365 or KEEP_AUDIT_DAYS < 0:
    raise ImproperlyConfigured("KEEP_AUDIT_DAYS is 0, for ever, or 365 at least: certificates rest on the trail.")
# How long a person can look up who read figures of theirs; the audit trail tells it, too, and stays.
KEEP_READINGS_DAYS = env.int("KEEP_READINGS_DAYS", default=2 * 365)
# How far back figures of single persons are told; 0: as far as there are verdicts, which stay for the evidence.
KEEP_PERSONS_DAYS = env.int("KEEP_PERSONS_DAYS", default=0)

# A site that is served over TLS says HTTPS=1: plain requests are sent on to it, and browsers remember it for a year.
HTTPS = env.bool("HTTPS", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked from inside, before the proxy
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
# The factory's domain may have other sites, and whether those are served over TLS is not ours to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "blob:", "data:"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
if PHOTO_BUCKET and PHOTO_DELIVERY == "redirect":
    for _source in ("img-src", "connect-src"):  # photos as pictures, and fetched by what equalises them
        SECURE_CSP[_source].append(PHOTO_BUCKET.origin)

# Traces of requests, parts and tasks, sent to the collector that OpenTelemetry's own variables name.
TRACING = traces()

LOG_JSON = env.bool("LOG_JSON", default=not DEBUG)
structlog.configure(
    processors=[*logs.ACCOUNT, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": logs.formatter(json=LOG_JSON, colors=sys.stderr.isatty())},
    "handlers": {"standard": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["standard"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "opentelemetry.exporter": {"level": "ERROR"},  # spans that were lost, not each try to send them
    },
}
