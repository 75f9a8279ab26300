# Sourced by up, run and down: the processes of one cluster directory.
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

# entering_network DIR, entering_node DIR: print the words of a command that runs another one in the network of DIR's node, or in all
# namespaces of it. Nothing for a cluster without a node.
entering_network() {
    local pid
    if pid=$(pid_of "$1" node); then printf '%s\n' nsenter "--net=/proc/$pid/ns/net"; fi
}
entering_node() {
    local pid
    if pid=$(pid_of "$1" node); then
        entering_network "$1"
        printf '%s\n' "--mount=/proc/$pid/ns/mnt" "--pid=/proc/$pid/ns/pid_for_children"
    fi
}

# start DIR NAME COMMAND...: unless it runs, with its output in DIR/NAME.log, and in the network of the node if there is one. It gets a
# session of its own, so that Ctrl-C reaches the one who uses the cluster and not the cluster, and none of the caller's locks.
start() {
    local dir=$1 name=$2 enter
    shift 2
    pid_of "$dir" "$name" >/dev/null && return
    mapfile -t enter < <(entering_network "$dir")
    setsid "${enter[@]}" "$@" </dev/null >>"$dir/$name.log" 2>&1 9>&- &
    echo "$! $(start_of $!)" >"$dir/run/$name"
}

# stop DIR NAME: ends the process and its children, in the end by force, and waits until it is gone. The API server would wait a
# minute for its watchers; everything else gets time to stop cleanly.
stop() {
    local pid deadline=$((SECONDS + 30))
    [ "$2" != kube-apiserver ] || deadline=$((SECONDS + 3))
    if pid=$(pid_of "$1" "$2") && [ "$pid" != $$ ]; then
        kill -- "-$pid" 2>/dev/null || true
        while pid_of "$1" "$2" >/dev/null; do
            [ $SECONDS -lt $deadline ] || kill -KILL -- "-$pid" 2>/dev/null || true
            sleep 0.05
        done
    fi
    rm -f "$1/run/$2"
}
