// Serves operators: turns requests from the control socket into questions to the node, and answers.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "cli/control/control_protocol.h"
#include "cli/control/control_server.h"
#include "cli/report/ping_report.h"
#include "cli/report/report.h"
#include "core/base/time.h"
#include "core/node/node.h"

namespace rove {

// Control thread only. Answers at once, but for lookups (also to prepare for an IP, or to ping a VM): those wait for
// the node, at most kLookupTimeout, and at most kLookupsMax at a time (a client that asks for more is told to try
// again); and for pings, which the node limits and ends by itself.
class OperatorDesk {
 public:
  static constexpr std::chrono::seconds kLookupTimeout{10};  // the node answers by itself long before
  static constexpr std::size_t kLookupsMax = 2 * kControlClientsMax;
  static constexpr std::chrono::milliseconds kPingTimeout{2'000};      // unless the client says another
  static constexpr std::chrono::milliseconds kPingTimeoutMax{10'000};  // below a client's idle time

  // What a VM's hypervisor tells when it has stopped the VM, as in ControlRequest.
  using NoteStop = std::function<void(const MacAddress& vm, std::optional<std::uint64_t> delivered)>;

  // The interface index of the device to which a VM will come. 0: it is no port of a VM in our bridge, or frames are
  // not replayed.
  using FindPort = std::function<unsigned(const MacAddress& vm, const std::string& port)>;

  // Answers LogLevel and Reload.
  using ChangeSettings = std::function<ControlResponse(const ControlRequest&)>;

  // `node` must outlive it. `make_status` is asked for each status request.
  OperatorDesk(Node& node, std::function<StatusReport(Now)> make_status, NoteStop note_stop, FindPort find_port,
               ChangeSettings change_settings);

  void handle_request(Now now, const ControlRequest& request, ControlServer::Reply reply);
  void handle_lookup_result(Now now, const LookupResult& result);
  void handle_ping_result(const PingResult& result);
  void handle_timeout(Now now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  // True once `down` was asked for.
  [[nodiscard]] bool stop_requested() const { return stop_requested_; }

 private:
  struct PendingLookup {
    ControlRequest request;  // Lookup; Prepare, for the MAC; Ping, for its host
    TimePoint deadline;
    ControlServer::Reply reply;
  };
  struct PendingPing {
    PingReport report;
    ControlServer::Reply reply;
  };

  [[nodiscard]] ControlResponse timeline(Now now, const ControlRequest& request) const;
  [[nodiscard]] ControlResponse claim(Now now, const ControlRequest& request);
  void finish_lookup(Now now, PendingLookup pending, const LookupResult& result);
  [[nodiscard]] ControlResponse info(Now now, const ControlRequest& request) const;
  void ping(Now now, ControlRequest request, ControlServer::Reply reply);
  void start_ping(Now now, const ControlRequest& request, PingReport report, ControlServer::Reply reply);
  [[nodiscard]] ControlResponse prepare(Now now, const MacAddress& mac, const std::string& port);
  [[nodiscard]] ControlResponse release(Now now, const ControlRequest& request);
  [[nodiscard]] std::map<NodeId, std::string> names_of_peers() const;
  void start_lookup(Now now, const ControlRequest& request, ControlServer::Reply reply);

  Node& node_;
  std::function<StatusReport(Now)> make_status_;
  NoteStop note_stop_;
  FindPort find_port_;
  ChangeSettings change_settings_;
  std::map<LookupTicket, PendingLookup> lookups_;
  std::map<PingTicket, PendingPing> pings_;
  bool stop_requested_ = false;
};

}  // namespace rove
