# Sourced by up and down: the processes of one cluster directory.
# DIR/run/NAME holds "PID START". The kernel's start time tells our process from a later one with the same number.
# shellcheck shell=bash

say() { echo "cluster: $*" >&2; }

# start_of PID: prints the start time of a live process; fails for a dead one or a zombie that nobody reaps.
start_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The fields after the parenthesised command name: the state is the first, the start time the twentieth.
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [ "$1" != Z ] && echo "${20}"
}

# pid_of DIR NAME: prints the pid while that very process lives.
pid_of() {
    local pid start
    [ -f "$1/run/$2" ] || return 1
    read -r pid start <"$1/run/$2"
    [ "$(start_of "$pid")" = "$start" ] && echo "$pid"
}

# stop DIR NAME: ends the process and its children (each was started as the head of a group) and waits until it is gone.
stop() {
    local pid deadline=$((SECONDS + 10))
    if pid=$(pid_of "$1" "$2") && [ "$pid" != $$ ]; then
        kill -- "-$pid" 2>/dev/null || true
        while pid_of "$1" "$2" >/dev/null; do
            [ $SECONDS -lt $deadline ] || kill -KILL -- "-$pid" 2>/dev/null || true
            sleep 0.05
        done
    fi
    rm -f "$1/run/$2"
}
