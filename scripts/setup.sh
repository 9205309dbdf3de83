# Sourced by ./run and ./test, with LOCK set: makes .venv and installs what LOCK names. POSIX sh.
# A second call with the same lock file costs nothing.

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "timepoint needs Python 3.11 or newer, and none was found."
    say "On Debian or Ubuntu: apt-get install python3 python3-venv    (or say PYTHON=/path/to/python3)"
    return 1
}

make_venv() {
    python=$(find_python) || return 1
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv --clear .venv
        return
    fi
    # Debian's python3 comes without ensurepip: the package python3-venv brings it.
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing $package, since '$python -m venv' does not work without it."
        apt-get update -qq >&2 && apt-get install -y -qq "$package" >/dev/null && "$python" -m venv --clear .venv
        return
    fi
    say "'$python -m venv' does not work here. On Debian or Ubuntu, once: sudo apt-get install $package"
    return 1
}

setup() {
    stamp=".venv/.installed-$(cat "$LOCK" pyproject.toml | cksum | tr ' ' '-')"
    [ -e "$stamp" ] && return 0
    [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null || make_venv || return 1
    say "Installing what $LOCK names into .venv (once)."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement "$LOCK" >&2 || return 1
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . >&2 || return 1
    : >"$stamp"
}
