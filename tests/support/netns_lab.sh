# shellcheck shell=bash
# A laboratory of network namespaces: sites in different subnets, joined by a router and an emulated WAN.
# To be sourced; needs root and `wan_emulator` (its path in WAN_EMULATOR, or the first on PATH).
#
#   <id>-a  eth0 10.1.0.2/24, fd00:1::2/64 ── veth-a 10.1.0.1 ┐
#   <id>-b  eth0 10.2.0.2/24, fd00:2::2/64 ── veth-b 10.2.0.1 ├─ <id>-r ⇄ wan0 (wan_emulator)
#   <id>-c  eth0 10.3.0.2/24, fd00:3::2/64 ── veth-c 10.3.0.1 ┘
#
#   lab_up N            N sites (1–26) named a, b, c, …; without delay until lab_wan says otherwise
#   lab_exec HOST CMD…  runs a command in a site's namespace ("r" is the router)
#   lab_netns HOST      prints the name of that namespace
#   lab_wan COMMAND…    tells the emulator: lab_wan set delay 10ms · lab_wan cut a b · lab_wan heal · lab_wan show
#   lab_down            kills what runs in the namespaces and removes them; runs by itself when the shell ends
#
# Several laboratories may stand at once: all names begin with LAB_ID.

LAB_ID=${LAB_ID:-lab$$}
LAB_SITES=()
LAB_DIR=
LAB_WAN_PID=

lab_netns() { echo "$LAB_ID-$1"; }
lab_exec() { ip netns exec "$LAB_ID-$1" "${@:2}"; }
lab_wan() { "$LAB_WAN_EMULATOR" --ask "$LAB_DIR/wan.sock" "$@"; }

lab_up() {
  local count=$1 names=abcdefghijklmnopqrstuvwxyz site number arguments=()
  if [[ $EUID -ne 0 ]]; then
    echo "lab_up: network namespaces need root" >&2
    return 77
  fi
  LAB_WAN_EMULATOR=${WAN_EMULATOR:-$(command -v wan_emulator)} || {
    echo "lab_up: set WAN_EMULATOR to the built wan_emulator" >&2
    return 1
  }
  trap lab_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  LAB_DIR=$(mktemp -d) || return 1

  ip netns add "$LAB_ID-r" || return 77
  ip -n "$LAB_ID-r" link set lo up
  # Packets come back from wan0 with sources of other interfaces: no reverse path filter.
  lab_exec r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 || return 1
  for ((number = 1; number <= count; number++)); do
    site=${names:number-1:1}
    LAB_SITES+=("$site")
    lab_add_site "$site" "$number" || return 1
    arguments+=(--site "$site=10.$number.0.0/24,fd00:$number::/64")
  done
  [[ $count -ge 2 ]] || return 0

  lab_exec r "$LAB_WAN_EMULATOR" "${arguments[@]}" --control "$LAB_DIR/wan.sock" >"$LAB_DIR/wan.log" 2>&1 &
  LAB_WAN_PID=$!
  until grep -q '^ready$' "$LAB_DIR/wan.log"; do
    kill -0 "$LAB_WAN_PID" 2>/dev/null || { cat "$LAB_DIR/wan.log" >&2; return 1; }
    sleep 0.02
  done
  lab_exec r sysctl -qw net.ipv4.conf.wan0.rp_filter=0 || return 1
  ip -n "$LAB_ID-r" route add default dev wan0 table 100 || return 1
  ip -n "$LAB_ID-r" -6 route add default dev wan0 table 100 || return 1
}

# lab_add_site NAME NUMBER
lab_add_site() {
  local router=$LAB_ID-r host=$LAB_ID-$1 number=$2
  ip netns add "$host" || return 1
  ip -n "$host" link set lo up
  # DAD would keep the IPv6 addresses unusable for a second.
  lab_exec r sysctl -qw net.ipv6.conf.default.accept_dad=0
  ip netns exec "$host" sysctl -qw net.ipv6.conf.default.accept_dad=0
  ip -n "$router" link add "veth-$1" type veth peer name eth0 netns "$host" || return 1
  ip -n "$router" address add "10.$number.0.1/24" dev "veth-$1"
  ip -n "$router" address add "fd00:$number::1/64" dev "veth-$1"
  ip -n "$router" link set "veth-$1" up
  ip -n "$host" address add "10.$number.0.2/24" dev eth0
  ip -n "$host" address add "fd00:$number::2/64" dev eth0
  ip -n "$host" link set eth0 up
  ip -n "$host" route add default via "10.$number.0.1"
  ip -n "$host" -6 route add default via "fd00:$number::1"
  # What comes in from a site goes through the emulator; what the emulator writes takes the main table.
  ip -n "$router" rule add iif "veth-$1" lookup 100 || return 1
  ip -n "$router" -6 rule add iif "veth-$1" lookup 100
}

lab_down() {
  local name pids
  trap - EXIT
  for name in "${LAB_SITES[@]}" r; do
    [[ -e /run/netns/$LAB_ID-$name ]] || continue
    # Only what runs inside our own namespaces.
    pids=$(ip netns pids "$LAB_ID-$name")
    # shellcheck disable=SC2086  # a list of numbers
    [[ -z $pids ]] || kill $pids 2>/dev/null
  done
  [[ -z $LAB_WAN_PID ]] || wait "$LAB_WAN_PID" 2>/dev/null
  for name in "${LAB_SITES[@]}" r; do
    [[ -e /run/netns/$LAB_ID-$name ]] || continue
    pids=$(ip netns pids "$LAB_ID-$name")
    # shellcheck disable=SC2086
    [[ -z $pids ]] || kill -9 $pids 2>/dev/null
    ip netns delete "$LAB_ID-$name"
  done
  [[ -z $LAB_DIR ]] || rm -rf "$LAB_DIR"
  LAB_SITES=() LAB_DIR='' LAB_WAN_PID=''
}
