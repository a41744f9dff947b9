# What the scripts share: where they are, how they speak, how they become root.
# Sourced by the others; does nothing by itself.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# Tools that only root usually has on its path.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Runs a command as root: directly, or by sudo (which asks nothing under CI).
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo ${CI:+-n} "$@"
    else
        fail "this needs root, and sudo is not installed. Run as root: $*"
    fi
}

# Runs a command, then says how long it took.
timed() {
    local name=$1 begin=$SECONDS
    shift
    say "$name"
    "$@"
    printf -- '-- %s: %d s\n' "$name" $((SECONDS - begin))
}

# A cargo that takes flags which are not stable: that of the nightly compiler if there is one, else
# ours, which then has to be told so.
unstable_cargo() {
    if rustc +nightly -V >/dev/null 2>&1; then
        cargo +nightly "$@"
    else
        RUSTC_BOOTSTRAP=1 cargo "$@"
    fi
}

need_rust() {
    command -v cargo >/dev/null ||
        fail "cargo is not on the path. Install Rust (https://rustup.rs), then run this again."
    command -v cc >/dev/null ||
        fail "there is no C compiler. Install gcc and libc6-dev, then run this again."
}
