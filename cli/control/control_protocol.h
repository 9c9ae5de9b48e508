// The control socket's language: JSON, one object a line. docs/operations.md lists verbs and fields.
//
//   → {"verb":"lookup","args":{"address":"10.77.0.5","refresh":true}}
//   ← {"ok":true,"data":{"schema":1,…}}
//   ← {"ok":false,"status":3,"what":"lookup 10.77.0.5","why":"nobody claims it","next":"…","data":{…}}
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/base/failure.h"
#include "cli/base/log.h"
#include "core/base/address.h"

namespace rove {

inline constexpr std::size_t kRequestSizeMax = std::size_t{64} << 10;   // longer lines end the connection
inline constexpr std::size_t kResponseSizeMax = std::size_t{64} << 20;  // what a client takes; vms of a full table

enum class ControlVerb {
  Status,
  Peers,
  Vms,
  Info,
  Lookup,
  Ping,
  Timeline,
  Watch,
  Claim,
  Release,
  Prepare,
  Stopped,
  LogLevel,
  Reload,
  Down
};
inline constexpr std::size_t kControlVerbs = 15;

[[nodiscard]] std::string_view to_string(ControlVerb verb);

struct ControlRequest {
  ControlVerb verb = ControlVerb::Status;
  VmAddress address;           // Lookup, Timeline, Prepare
  bool refresh = false;        // Lookup: ask the network, whatever the cache holds
  bool trace = false;          // Lookup: tell every step
  MacAddress mac;              // Claim, Release, Stopped
  std::vector<IpAddress> ips;  // Claim
  std::string port{};          // Prepare: the device to which it will come; empty: not known
  // Stopped: its guest got the frames up to this one, as its port counts them; nullopt: that will follow at once.
  std::optional<std::uint64_t> delivered{};
  std::optional<rove::LogLevel> log_level{};  // LogLevel: the new one; nullopt: only tell it
  std::string target{};                       // Info, Ping: a member's name or the beginning of its id; Ping: or a VM
  std::optional<std::uint64_t> timeout_ms{};  // Ping: how long to wait for the answer

  bool operator==(const ControlRequest&) const = default;
};

struct ControlResponse {
  ExitStatus status = ExitStatus::Ok;
  std::string data;  // a JSON object with "schema"; may be empty unless Ok
  std::string what;  // the rest unless Ok, as in Failure
  std::string why;
  std::string next;

  bool operator==(const ControlResponse&) const = default;
};

// Without the line's end.
[[nodiscard]] std::string encode_request(const ControlRequest& request);
[[nodiscard]] std::string encode_response(const ControlResponse& response);
// A response that is nothing but data; so are the lines of a watch, after its first.
[[nodiscard]] std::string encode_data(std::string data);

// A request, or why the line is none. Unknown verbs and arguments are refused.
struct DecodedRequest {
  std::optional<ControlRequest> request;
  std::string error;
};
[[nodiscard]] DecodedRequest decode_request(std::string_view line);
[[nodiscard]] std::optional<ControlResponse> decode_response(std::string_view line);

}  // namespace rove
