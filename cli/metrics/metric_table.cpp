#include "cli/metrics/metric_table.h"

#include <algorithm>
#include <array>

namespace rove {
namespace {

constexpr MetricType kCounter = MetricType::Counter;
constexpr MetricType kGauge = MetricType::Gauge;

// The groups `drops` and `offloads` are one metric each, with a label.
constexpr auto kEntries = std::to_array<MetricEntry>({
    {"packets", "frames_in", kCounter, "Frames that came from the TAP device."},
    {"packets", "frames_out", kCounter, "Frames that went to the TAP device."},
    {"packets", "bytes_in", kCounter, "Octets of the frames that came from the TAP device."},
    {"packets", "bytes_out", kCounter, "Octets of the frames that went to the TAP device."},
    {"packets", "datagrams_sealed", kCounter, "Datagrams with frames that were encrypted for peers."},
    {"packets", "datagrams_opened", kCounter, "Datagrams with frames from peers that were decrypted."},
    {"packets", "frames_forwarded", kCounter, "Frames that were sent on to a VM that left lately."},
    {"packets", "frames_held", kCounter, "Frames that waited until older ones of a VM that moved had gone ahead."},
    {"packets", "frames_kept_ahead", kCounter,
     "Frames for a VM that is expected here, kept until it came or went on elsewhere."},
    {"packets", "frames_homebound", kCounter, "Frames that were written to a VM's port, past the bridge."},
    {"packets", "frames_punted", kCounter, "Frames from the TAP device that were left to the control thread."},
    {"packets", "frames_unproven", kCounter, "Frames from peers that were left to the control thread."},
    {"packets", "superframes_in", kCounter,
     "Frames from the TAP device that were larger than the network takes, and were cut."},
    {"packets", "frames_joined", kCounter, "Frames that went to the TAP device as a part of a larger one."},
    {"packets", "frames_packed", kCounter, "Frames that shared a datagram with others."},
    {"packets", "events_dropped", kCounter, "Notices to the control thread that it had no room for."},

    {"peers", "sealed_opened", kCounter, "Sealed datagrams of members that were opened."},
    {"peers", "sealed_malformed", kCounter, "Sealed datagrams of members that held what is no message."},
    {"peers", "handshakes_started", kCounter, "Handshakes that this node began."},
    {"peers", "handshakes_completed", kCounter, "Handshakes that ended with a session."},
    {"peers", "handshakes_refused", kCounter, "Handshakes with a wrong certificate, network key, timestamp or key."},
    {"peers", "handshakes_repeated", kCounter, "Copies of handshakes that were answered already."},
    {"peers", "handshakes_limited", kCounter, "Handshakes beyond 64 in a second, not served."},
    {"peers", "control_dropped", kCounter, "Control messages without a session, undecryptable, replayed or malformed."},
    {"peers", "unknown_messages", kCounter, "Control messages of a kind that this version does not know."},
    {"peers", "segments_refused", kCounter,
     "Peers at which datagrams that the kernel or the network card cuts were found not to arrive."},

    {"node", "claims_received", kCounter, "Claims that came, from peers or the location service."},
    {"node", "claims_accepted", kCounter, "Claims that came and won."},
    {"node", "claims_malformed", kCounter, "Claims that are none."},
    {"node", "claims_bad_signature", kCounter, "Claims whose signature is wrong."},
    {"node", "claims_not_allowed", kCounter, "Claims of addresses that their owner's certificate does not allow."},
    {"node", "claims_older", kCounter, "Claims that a known one outdid."},
    {"node", "claims_expired", kCounter, "Claims whose time is over."},
    {"node", "claims_from_the_future", kCounter, "Claims that are dated too far ahead."},
    {"node", "claims_table_full", kCounter, "Claims that found no room."},
    {"node", "claims_published", kCounter, "Claims of VMs here that went into the location service."},
    {"node", "claims_refused_here", kCounter, "VMs that came up here and that this node's certificate does not allow."},
    {"node", "addresses_not_allowed", kCounter, "Addresses of VMs here that this node's certificate does not allow."},
    {"node", "pushes_sent", kCounter, "Claims that were sent to peers, repetitions included."},
    {"node", "pushes_limited", kCounter, "Claims that were not sent to a peer: too many were under way."},
    {"node", "pushes_abandoned", kCounter, "Claims that a peer had not acknowledged when its session ended."},
    {"node", "redirects_sent", kCounter, "Senders that were told where a VM is now."},
    {"node", "searches", kCounter, "Times that all members were asked for a VM, because it or its host fell silent."},
    {"node", "searches_limited", kCounter, "Searches of others beyond 200 in a second, not served."},
    {"node", "conflicts", kGauge, "VMs here whose MAC is alive at another host too, now."},
    {"node", "conflict_checks", kCounter, "Questions to other hosts whether a VM that came back is alive there."},
    {"node", "conflict_checks_refused", kCounter,
     "Questions of others whether a VM is alive here that were not allowed, or too many."},
    {"node", "conflicts_found", kCounter, "Times that two VMs with one MAC were found."},
    {"node", "prepares_refused", kCounter, "Preparations of others for a VM here that were not allowed, or too many."},
    {"node", "correspondents_refused", kCounter, "Lists of a VM's correspondents that were not asked for."},
    {"node", "moves_in", kCounter, "VMs that moved here from another host."},
    {"node", "moves_away", kCounter, "VMs that moved from here to another host."},
    {"node", "neighbor_answers", kCounter,
     "ARP and neighbour discovery questions that were answered for VMs elsewhere."},
    {"node", "floods", kCounter, "Frames that were sent to all peers."},
    {"node", "floods_limited", kCounter, "Frames to all peers that were dropped: too many."},
    {"node", "frames_bad", kCounter, "Frames that came to the control thread and are none that a VM may send."},
    {"node", "frames_replayed", kCounter,
     "Frames that a VM's old hypervisor never read, and that were sent after the VM."},
    {"node", "frames_replayed_ahead", kCounter,
     "Frames that were sent to where a VM was expected, before it was there."},
    {"node", "frames_not_replayed", kCounter, "Frames that could not be sent after a VM: too large, or too many."},
    {"node", "bridge_refusals", kCounter, "Entries for a VM that came which the bridge did not hold or move."},
    {"node", "replays_late", kCounter, "Moves in which the capture did not answer in 15 ms."},
    {"node", "frames_stale", kCounter, "Frames from a VM that had just left."},
    {"node", "held_dropped", kCounter, "Frames that waited too long for the answer where their VM is."},
    {"node", "unproven_held", kCounter, "Frames from peers that waited for the proof that their VM is there."},
    {"node", "unproven_dropped", kCounter,
     "Frames from peers that were dropped: no proof came that their VM is there."},
    {"node", "unproven_delivered", kCounter,
     "Frames from peers that were delivered when the proof that their VM is there had come."},
    {"node", "resolving_limited", kCounter, "Addresses that were not looked up: too many at a time."},
    {"node", "vms_limited", kCounter, "VMs here that found no room."},
    {"node", "sealed_refused", kCounter, "Datagrams of strangers: not sealed with the network's key."},
    {"node", "sealed_replayed", kCounter, "Sealed datagrams that were seen before, or are too old."},
    {"node", "node_records_bad", kCounter, "Records of nodes that are wrong."},
    {"node", "certificates_bad", kCounter, "Certificates that are not of this network, or not valid."},
    {"node", "dht_over_budget", kCounter, "Datagrams of the location service to one node beyond what it may send."},
    {"node", "outputs_dropped", kCounter, "Datagrams and commands of the control thread that found no room."},

    {"dht", "datagrams_in", kCounter, "Datagrams of the location service that came."},
    {"dht", "datagrams_in_dropped", kCounter, "Datagrams of the location service that its thread had no room for."},
    {"dht", "datagrams_out", kCounter, "Datagrams of the location service that it sent."},
    {"dht", "datagrams_out_dropped", kCounter,
     "Datagrams of the location service that the control thread did not fetch in time."},
    {"dht", "bad_shape", kCounter, "Datagrams that were refused before OpenDHT's parser."},
    {"dht", "stores_accepted", kCounter, "Records of others that were stored here."},
    {"dht", "stores_refused", kCounter, "Records of others that may not be stored here."},
    {"dht", "lookups", kCounter, "Questions to the location service."},
    {"dht", "lookups_refused", kCounter, "Questions that were not asked: too many at a time."},
    {"dht", "events_dropped", kCounter, "Records found that the control thread did not fetch in time."},
    {"dht", "rebuilds", kCounter, "Times that the DHT was built anew, after an outage."},
    {"dht", "published", kGauge, "Records that are kept published, now."},
    {"dht", "watches", kGauge, "Keys that are watched, now."},

    {"daemon", "tap_write_errors", kCounter, "Frames that the TAP device did not take."},
    {"daemon", "port_write_errors", kCounter, "Frames that a VM's port did not take: it is gone."},
    {"daemon", "udp_send_errors", kCounter, "Datagrams that the kernel did not send."},
    {"daemon", "udp_kernel_drops", kCounter, "Datagrams that came faster than they were read."},
    {"daemon", "datagrams_handed", kCounter, "Datagrams that came to another worker than their own."},
    {"daemon", "datagrams_unhanded", kCounter, "Datagrams that came to another worker, and were lost on the way."},
    {"daemon", "realtime_pauses", kCounter, "Times that a worker did not go first: small frames came in succession."},
    {"daemon", "events_lost", kCounter, "Messages to the control thread that were lost: it does not keep up."},
    {"daemon", "commands_lost", kCounter, "Messages to the packet path that were lost: it does not keep up."},
    {"daemon", "datagrams_unsent", kCounter, "Datagrams of the control thread that the kernel did not send."},
    {"daemon", "log_lines_suppressed", kCounter, "Events beyond 50 in a second, not logged."},
    {"daemon", "control_requests", kCounter, "Requests through the control socket."},
    {"daemon", "control_denied", kCounter, "Requests of users who may not make them."},
    {"daemon", "control_malformed", kCounter, "Lines through the control socket that are no request."},
    {"daemon", "control_clients_refused", kCounter, "Clients of the control socket beyond 64."},
    {"daemon", "watchers_refused", kCounter, "Clients beyond 8 that wanted to watch."},
    {"daemon", "watch_events_lost", kCounter, "Events that watchers missed: they did not keep up."},
    {"daemon", "metrics_requests", kCounter, "HTTP requests for metrics or health."},
    {"daemon", "metrics_refused", kCounter, "HTTP requests for anything else, and what is no request."},
    {"daemon", "metrics_clients_refused", kCounter, "HTTP clients beyond 16 at a time."},
    {"daemon", "metrics_unanswered", kCounter, "HTTP requests that the control thread did not answer in 2 s."},

    {"capture", "ports", kGauge, "VMs' ports whose frames are kept for a move, now."},
    {"capture", "ports_refused", kCounter, "Ports beyond 1,024, or without a socket."},
    {"capture", "transits", kGauge, "VMs whose frames are watched on their way through the bridge, now."},
    {"capture", "frames_seen", kCounter, "Frames that were seen on their way to VMs."},
    {"capture", "frames_lost", kCounter, "Frames that came faster than they were read."},
    {"capture", "frames_found", kCounter, "Frames that were dropped at a leaving VM's port, and sent after it."},
    {"capture", "stops", kCounter, "Stops of VMs that rove watch-qemu counted."},
    {"capture", "stops_used", kCounter, "Stops counted by rove watch-qemu that settled what was sent after a VM."},
    {"capture", "frames_streamed", kCounter, "Frames of a stopped VM that were told ahead."},
    {"capture", "frames_undelivered", kCounter,
     "Frames that a hypervisor read and never gave to its guest, sent after it."},
    {"capture", "messages_lost", kCounter, "Messages between the threads that were lost."},
});

}  // namespace

std::optional<MetricEntry> find_metric(std::string_view group, std::string_view counter) {
  const auto entry = std::find_if(kEntries.begin(), kEntries.end(), [&](const MetricEntry& each) {
    return each.group == group && each.counter == counter;
  });
  if (entry == kEntries.end()) return std::nullopt;
  return *entry;
}

std::string metric_name(const MetricEntry& entry) {
  std::string name = "rove_" + std::string{entry.group} + "_" + std::string{entry.counter};
  if (entry.type == MetricType::Counter) name += "_total";
  return name;
}

}  // namespace rove
