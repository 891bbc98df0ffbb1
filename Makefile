# The commands of Shadowline. `make up` alone gives a running demo factory, `make test` alone the tests.

PYTHON ?= python3
# Where pip finds a CPU build of torch, if not where it finds everything else (see README). Example: make up TORCH_INDEX=URL
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/shadowline
TEST_BROKER_URL ?= redis://127.0.0.1:6379/9
export TEST_DATABASE_URL TEST_BROKER_URL
# What the tests write outside their own folders, and no setting of this shell.
TESTS := env -u DATABASE_URL -u BROKER_URL -u SECRET_KEY -u STORAGE_URL \
  -u DATABASE_URL_FILE -u BROKER_URL_FILE -u SECRET_KEY_FILE DATA_DIR=$(CURDIR)/var/tests DEBUG=1
# So many processes; one that is done takes over what waits for another. Journeys wait for the browser half of their time.
# What the processes compile is kept: compiling takes as long as hundreds of tests.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --dist worksteal --numprocesses

.PHONY: up install test check check-style check-types check-site check-dependencies bench messages
.DEFAULT_GOAL := up

up: install  ## install, migrate, seed and run a demo factory; Ctrl-C stops it
	$(BIN)/python manage.py migrate --verbosity 0
	$(if $(SECRET_KEY)$(DATABASE_URL)$(SECRET_KEY_FILE)$(DATABASE_URL_FILE),$(BIN)/python manage.py collectstatic --noinput --verbosity 0)
	$(BIN)/python manage.py seed_demo
	@exec $(BIN)/python -m config.processes

install: .venv/installed  ## the set-up alone, into .venv

# The stamps keep a second `make up` from installing again; they are older than pyproject.toml when that changes.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shadowline needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@echo "Installing into .venv; the first time takes some minutes."
	$(PIP) --editable ".[pg]"
	@touch $@

.venv/installed-dev: pyproject.toml .venv/installed
	$(PIP) --editable ".[dev]"
	@touch $@

test: .venv/installed-dev  ## the quick tests, the long ones, both on each shape that can be reached, then the journeys
	$(TESTS) $(PYTEST) 2 tests/unit
	$(TESTS) $(PYTEST) 2 tests/long
	@if $(BIN)/python -m tests.servers PostgreSQL Redis; then set -x; \
	  $(TESTS) DATABASE_URL=$(TEST_DATABASE_URL) BROKER_URL=$(TEST_BROKER_URL) $(PYTEST) 2 tests/unit tests/long --with-database --migrations; \
	else echo "The tests ran on the embedded shape only."; fi
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { echo "The journeys drive a real browser. Install Chromium, for example: apt-get install chromium"; exit 1; }
	$(TESTS) $(PYTEST) 3 tests/journeys

check: check-style check-types check-site check-dependencies  ## each apart, so that `make --jobs 2 check` uses two cores

check-style: .venv/installed-dev  ## style and the direction of the apps
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

check-types: .venv/installed-dev
	$(BIN)/mypy .

check-site: .venv/installed-dev  ## migrations, the API's description, the settings of a real site
	$(TESTS) $(BIN)/python manage.py makemigrations --check --dry-run
	$(TESTS) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(TESTS) DEBUG=0 SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))') \
	  ALLOWED_HOSTS=shadowline.example HTTPS=1 \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

check-dependencies: .venv/installed-dev  ## known holes of what is installed
	$(BIN)/python -m tests.dependencies

# Of makemessages: one line a message, the file that has it, and nothing from beside the product.
MESSAGES := --locale zh_Hans --no-wrap --no-obsolete --add-location file \
  $(foreach folder,var tests bench docs station build,--ignore '$(folder)/*')

messages: .venv/installed-dev  ## collect what has to be translated and compile what is (needs GNU gettext)
	$(TESTS) $(BIN)/python manage.py makemessages $(MESSAGES)
	$(TESTS) $(BIN)/python manage.py makemessages $(MESSAGES) --domain djangojs
	$(TESTS) $(BIN)/python manage.py compilemessages --locale zh_Hans --ignore .venv

bench: .venv/installed-dev  ## the measurements of bench/
	@for program in $(sort $(wildcard bench/*.py)); do echo "== $$program"; $(TESTS) $(BIN)/python $$program || exit 1; done
