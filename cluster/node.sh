# Sourced by up and down: a node that runs pods. kubelet, containerd and all pods live in namespaces of their own (processes, mounts, network);
# the control plane shares the network. So the node's /run and /var are not the machine's, no packet leaves, and when the first process
# of the namespaces ends ("node" in DIR/run), the kernel ends and unmounts everything else.
# dir, bin, here: the caller's.
# shellcheck shell=bash disable=SC2154

# shellcheck disable=SC2034 # for up
node_packages=(containerd=containerd runc=runc iptables=iptables conntrack=conntrack ip=iproute2 busybox=busybox-static buildah=buildah
    /usr/lib/cni/bridge=containernetworking-plugins)
node_address=10.99.0.1 # of the node, its API server and its object store; services are in 10.96.0.0/16, pods in 10.244.0.0/24

# node_group DIR: the control group of all pods of the cluster.
node_group() { echo "bowline-$(printf %s "$1" | sha256sum | head -c 12)"; }

# Where control groups are: of version 2 one tree, of version 1 one for each controller.
control_groups() {
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup; else ls -d /sys/fs/cgroup/*/; fi
}

# Makes the group that kubelet puts all pods below. Version 2 hands controllers down only when told.
make_control_groups() {
    local tree
    for tree in $(control_groups); do
        mkdir -p "$tree/$(node_group "$dir")"
        [ "$tree" != /sys/fs/cgroup ] || sed 's/[^ ]*/+&/g' "$tree/cgroup.controllers" >"$tree/$(node_group "$dir")/cgroup.subtree_control"
    done
}

# remove_control_groups DIR: when nothing lives in them any more.
remove_control_groups() {
    local tree
    for tree in $(control_groups); do
        [ ! -d "$tree/$(node_group "$1")" ] || find "$tree/$(node_group "$1")" -depth -type d -exec rmdir {} +
    done
}

# Says why this machine can't run a node, and fails then.
node_is_possible() {
    local reason=''
    if [ "$(id -u)" != 0 ]; then
        reason="only root may"
    elif ! make_control_groups 2>/dev/null; then
        reason="control groups (/sys/fs/cgroup) can't be made"
    elif ! unshare --mount --net --pid --fork --mount-proc true 2>/dev/null; then
        reason="the kernel refuses new namespaces"
    fi
    [ -z "$reason" ] || { say "no node on this machine: $reason" && return 1; }
}

# The first process of the namespaces. It reaps what is orphaned, as the first process must.
start_namespaces() {
    mkdir -p "$dir"/var/{lib/kubelet,log,tmp} "$dir/etc"
    # shellcheck disable=SC2016 # for the shell that it starts
    start "$dir" node unshare --mount --net --pid --fork --kill-child --mount-proc bash -euc '
        trap "exit 0" TERM
        mount -t tmpfs tmpfs /run
        mount --bind "$1/var" /var
        [ -e /var/run ] || ln -s /run /var/run
        mount --bind /var/lib/kubelet /var/lib/kubelet
        mount --make-rshared /var/lib/kubelet
        ip link set lo up
        ip link add services type bridge
        ip address add "$2/32" dev services
        ip link set services up
        ip route add 10.96.0.0/16 dev services
        echo 1 >/proc/sys/net/ipv4/ip_forward
        touch /run/is-set-up
        sleep infinity & wait' node "$dir" "$node_address"
    until inside_node test -e /run/is-set-up 2>/dev/null; do
        pid_of "$dir" node >/dev/null || { tail "$dir/node.log" >&2 && exit 1; }
        sleep 0.05
    done
}

# start_inside NAME COMMAND...: as start, in all namespaces of the node.
start_inside() {
    local name=$1 enter
    shift
    mapfile -t enter < <(entering_node "$dir")
    start "$dir" "$name" "${enter[@]}" "$@"
}

inside_node() {
    local enter
    mapfile -t enter < <(entering_node "$dir")
    "${enter[@]}" "$@"
}

start_containerd() {
    local snapshotter=overlayfs
    # A file system that itself is an overlay can't carry one.
    [ "$(stat -f -c %T "$dir")" != overlayfs ] || snapshotter=native
    mkdir -p "$dir/etc/cni"
    cat >"$dir/etc/cni/10-bridge.conflist" <<'END_CNI'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END_CNI
    # The score of the out-of-memory killer can be lowered only with a capability that virtual machines for tests often lack.
    cat >"$dir/etc/containerd.toml" <<END_CONTAINERD
version = 2
oom_score = 0
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
END_CONTAINERD
    start_inside containerd containerd --config "$dir/etc/containerd.toml"
}

start_kubelet() {
    cat >"$dir/etc/kubelet.yaml" <<END_KUBELET
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $dir/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$(node_group "$dir")
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: []
resolvConf: ""
clusterDNS: [$node_address]
clusterDomain: cluster.local
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
END_KUBELET
    start_inside kubelet "$bin/kubelet" --config "$dir/etc/kubelet.yaml" --kubeconfig "$dir/kubeconfig" \
        --hostname-override node1 --node-ip "$node_address"
}

start_scheduler() {
    start "$dir" kube-scheduler "$bin/kube-scheduler" --kubeconfig "$dir/kubeconfig" --leader-elect=false --secure-port 0
}

# The settings of the kernel's connection tracking can't be written inside the namespace; 0 leaves them alone.
start_proxy() {
    start_inside kube-proxy "$bin/kube-proxy" --kubeconfig "$dir/kubeconfig" --hostname-override node1 \
        --proxy-mode iptables --cluster-cidr 10.244.0.0/24 --conntrack-max-per-core 0 --conntrack-min 0 \
        --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
}

# Only the cluster's own names: nothing else could be reached.
start_dns() {
    cat >"$dir/etc/Corefile" <<END_DNS
cluster.local in-addr.arpa {
    bind $node_address
    errors
    kubernetes {
        kubeconfig $dir/kubeconfig bowline
    }
}
END_DNS
    start "$dir" coredns "$bin/coredns" -conf "$dir/etc/Corefile"
}

# The first image of every pod, and one with a shell for pods that tests make: docker.io/local/{pause,busybox}:1.
import_images() {
    local name context
    context=$(dirname "$(command -v busybox)")
    for name in pause busybox; do
        "$here/tools/image" "docker.io/local/$name:1" "$dir/etc/$name.tar" "$here/images/$name/Containerfile" "$context"
        inside_node ctr --namespace k8s.io images import - <"$dir/etc/$name.tar" >/dev/null
    done
}

# What needs the API server.
start_node() {
    await containerd inside_node ctr version
    [ -f "$dir/etc/busybox.tar" ] || import_images
    start_scheduler
    start_kubelet
    start_proxy
    start_dns
}
