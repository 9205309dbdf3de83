# Sourced by ./run and ./test, with LOCK set: makes .venv and installs what LOCK names. POSIX sh.
# A second call with the same lock file and the same Python installs nothing.

VENV=.venv  # a caller may name another after this

say() { printf '%s\n' "$*" >&2; }

# A Python of its own choice, if PYTHON names one; else python3 or the newest that the locked wheels are built for.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_python "$PYTHON" 3,99 && printf '%s\n' "$PYTHON" && return
        say "PYTHON=$PYTHON is no Python of 3.11 or newer: name another, or leave it out."
        return 1
    fi
    for before in 3,15 3,99; do
        for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
            is_python "$candidate" "$before" && printf '%s\n' "$candidate" && return
        done
    done
    say "timepoint needs Python 3.11 or newer, and none was found."
    say "On Debian or Ubuntu: apt-get install python3 python3-venv    (or say PYTHON=/path/to/python3)"
    return 1
}

is_python() {
    "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info < ($2))" 2>/dev/null
}

make_venv() {
    python=$(find_python) || return 1
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv --clear "$VENV"
        return
    fi
    # Debian's python3 comes without ensurepip: the package python3-venv brings it.
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing $package, since '$python -m venv' does not work without it."
        apt-get update -qq >&2 && apt-get install -y -qq "$package" >/dev/null && "$python" -m venv --clear "$VENV"
        return
    fi
    say "'$python -m venv' does not work here. On Debian or Ubuntu, once: sudo apt-get install $package"
    return 1
}

setup() {
    stamp="$VENV/.installed-$(cat "$LOCK" pyproject.toml | cksum | tr ' ' '-')"
    if is_python "$VENV/bin/python" 3,99 && "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
        [ -e "$stamp" ] && return 0
    else
        make_venv || return 1 # none yet, or its Python went with an upgrade of the system
    fi
    say "Installing what $LOCK names into $VENV (once)."
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement "$LOCK" >&2 || return 1
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2 || return 1
    : >"$stamp"
}
